-- The stack's database, made once by the superuser: a sample shop, and the plain role that the database server uses.
-- psql runs it (the postgres image does so when the volume is empty); READER_PASSWORD_FILE names the role's password.
-- The role is the boundary: whatever a statement says, it can only read the tables that are granted below.

\set ON_ERROR_STOP on
\set reader_password `cat "$READER_PASSWORD_FILE"`
SELECT length(:'reader_password') >= 32 AS has_password \gset
\if :has_password
\else
  \warn READER_PASSWORD_FILE must name a file with a password of at least 32 characters.
  SELECT 1 / 0 AS no_password;
\endif

BEGIN;

-- The shop ---------------------------------------------------------------------------------------------------------

CREATE TABLE customers (
  id integer PRIMARY KEY,
  name text NOT NULL,
  email text NOT NULL UNIQUE,
  city text NOT NULL,
  country text NOT NULL,
  joined date NOT NULL
);
CREATE TABLE products (
  id integer PRIMARY KEY,
  name text NOT NULL UNIQUE,
  category text NOT NULL,
  price numeric(8, 2) NOT NULL CHECK (price > 0),
  stock integer NOT NULL CHECK (stock >= 0)
);
CREATE TABLE orders (
  id integer PRIMARY KEY,
  customer_id integer NOT NULL REFERENCES customers (id),
  ordered date NOT NULL,
  status text NOT NULL CHECK (status IN ('open', 'paid', 'shipped', 'returned'))
);
CREATE TABLE order_items (
  order_id integer NOT NULL REFERENCES orders (id),
  product_id integer NOT NULL REFERENCES products (id),
  quantity integer NOT NULL CHECK (quantity > 0),
  unit_price numeric(8, 2) NOT NULL,
  PRIMARY KEY (order_id, product_id)
);
CREATE INDEX orders_by_customer ON orders (customer_id);
CREATE INDEX order_items_by_product ON order_items (product_id);

COMMENT ON TABLE customers IS 'Who buys: one row per customer.';
COMMENT ON TABLE products IS 'What is sold, with today''s price and stock.';
COMMENT ON COLUMN products.price IS 'Euros.';
COMMENT ON TABLE orders IS 'One row per order; its lines are in order_items.';
COMMENT ON TABLE order_items IS 'The lines of the orders.';
COMMENT ON COLUMN order_items.unit_price IS 'Euros, as it was when ordered.';

INSERT INTO customers (id, name, email, city, country, joined)
SELECT number, name, lower(replace(name, ' ', '.')) || '@example.com', city, country, date '2024-03-01' + number * 23
  FROM (VALUES
    (1, 'Amara Okafor', 'Lagos', 'Nigeria'), (2, 'Beatriz Costa', 'Porto', 'Portugal'),
    (3, 'Chen Wei', 'Shenzhen', 'China'), (4, 'Elif Demir', 'Izmir', 'Turkey'),
    (5, 'Giulia Romano', 'Bologna', 'Italy'), (6, 'Hana Novakova', 'Brno', 'Czechia'),
    (7, 'Jonas Weber', 'Leipzig', 'Germany'), (8, 'Kaito Tanaka', 'Osaka', 'Japan'),
    (9, 'Lena Fischer', 'Graz', 'Austria'), (10, 'Nadia Benali', 'Rabat', 'Morocco'),
    (11, 'Priya Raman', 'Chennai', 'India'), (12, 'Siobhan Kelly', 'Cork', 'Ireland')
  ) AS people (number, name, city, country);

INSERT INTO products (id, name, category, price, stock)
VALUES
  (1, 'Espresso cups, set of 4', 'kitchen', 24.90, 118), (2, 'French press 1 l', 'kitchen', 32.00, 41),
  (3, 'Cast iron pan', 'kitchen', 58.50, 27), (4, 'Tea kettle', 'kitchen', 44.00, 63),
  (5, 'Wool blanket', 'home', 89.00, 19), (6, 'Desk lamp', 'home', 49.00, 74),
  (7, 'Oak shelf', 'home', 120.00, 8), (8, 'Notebook A5', 'office', 8.50, 412),
  (9, 'Fountain pen', 'office', 39.00, 55), (10, 'Rain jacket', 'outdoor', 135.00, 22),
  (11, 'Trail bottle', 'outdoor', 18.00, 205), (12, 'Camping lantern', 'outdoor', 34.50, 0);

INSERT INTO orders (id, customer_id, ordered, status)
SELECT number, 1 + (number * 7) % 12, date '2025-01-06' + number * 5,
       CASE WHEN number > 56 THEN 'open' ELSE (ARRAY['paid', 'shipped', 'shipped', 'returned', 'shipped'])[1 + number % 5] END
  FROM generate_series(1, 60) AS number;

INSERT INTO order_items (order_id, product_id, quantity, unit_price)
SELECT o.id, p.id, 1 + (o.id + p.id) % 3, p.price
  FROM orders o JOIN products p ON p.id = 1 + (o.id * 5) % 12 OR (o.id % 2 = 0 AND p.id = 1 + (o.id * 5 + 4) % 12);

CREATE VIEW revenue_by_month AS
SELECT to_char(o.ordered, 'YYYY-MM') AS month, sum(i.quantity * i.unit_price) AS revenue
  FROM orders o JOIN order_items i ON i.order_id = o.id
 WHERE o.status IN ('paid', 'shipped') GROUP BY 1;

-- The role ---------------------------------------------------------------------------------------------------------

CREATE ROLE mcp_reader LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS
  CONNECTION LIMIT 10 PASSWORD :'reader_password';

-- A session can undo these four for itself; the grants below do not depend on them.
ALTER ROLE mcp_reader SET default_transaction_read_only = on;
ALTER ROLE mcp_reader SET statement_timeout = '30s';
ALTER ROLE mcp_reader SET lock_timeout = '2s';
ALTER ROLE mcp_reader SET idle_in_transaction_session_timeout = '60s';
-- This one only a superuser can change.
ALTER ROLE mcp_reader SET temp_file_limit = '256MB';

REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE :"DBNAME" TO mcp_reader;
GRANT USAGE ON SCHEMA public TO mcp_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO mcp_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO mcp_reader;

-- Functions that read files, write large objects, end sessions or talk to others, whatever the version calls them.
DO $$
DECLARE
  mighty regprocedure;
BEGIN
  FOR mighty IN
    SELECT oid FROM pg_catalog.pg_proc
     WHERE pronamespace = 'pg_catalog'::regnamespace
       AND (proname IN ('lowrite', 'pg_cancel_backend', 'pg_terminate_backend', 'pg_notify', 'pg_read_file',
                        'pg_read_binary_file', 'pg_stat_file', 'pg_reload_conf', 'pg_rotate_logfile')
            OR proname ~ '^lo_' OR proname ~ '^pg_ls_' OR proname ~ '^pg_(try_)?advisory_')
  LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', mighty);
  END LOOP;
END
$$;

COMMIT;

ANALYZE;
