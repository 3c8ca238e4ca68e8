"""A small sample shop to ask questions about: customers, products, orders, items; the same on every machine."""

from __future__ import annotations

import os
import random
import secrets
from datetime import date, timedelta
from pathlib import Path

import apsw

SCHEMA = """
CREATE TABLE customers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE,
  city TEXT NOT NULL,
  country TEXT NOT NULL,
  joined TEXT NOT NULL -- ISO date
);
CREATE TABLE products (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  category TEXT NOT NULL,
  price REAL NOT NULL CHECK (price > 0), -- euros
  stock INTEGER NOT NULL
);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  ordered TEXT NOT NULL, -- ISO date
  status TEXT NOT NULL CHECK (status IN ('open', 'paid', 'shipped', 'returned'))
);
CREATE TABLE order_items (
  order_id INTEGER NOT NULL REFERENCES orders (id),
  product_id INTEGER NOT NULL REFERENCES products (id),
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  unit_price REAL NOT NULL, -- euros, as it was when ordered
  PRIMARY KEY (order_id, product_id)
);
CREATE INDEX orders_by_customer ON orders (customer_id);
CREATE INDEX order_items_by_product ON order_items (product_id);
CREATE VIEW revenue_by_month AS
  SELECT substr(o.ordered, 1, 7) AS month, round(sum(i.quantity * i.unit_price), 2) AS revenue
  FROM orders o JOIN order_items i ON i.order_id = o.id WHERE o.status IN ('paid', 'shipped') GROUP BY 1;
"""
CUSTOMERS = (
    "Amara Okafor/Lagos/Nigeria; Beatriz Costa/Porto/Portugal; Chen Wei/Shenzhen/China; "
    "Dilnoza Karimova/Tashkent/Uzbekistan; Elif Demir/Izmir/Turkey; Farah Haddad/Beirut/Lebanon; "
    "Giulia Romano/Bologna/Italy; Hana Novakova/Brno/Czechia; Ines Morales/Sevilla/Spain; "
    "Jonas Weber/Leipzig/Germany; Kaito Tanaka/Osaka/Japan; Lena Fischer/Graz/Austria; "
    "Mateo Silva/Montevideo/Uruguay; Nadia Benali/Rabat/Morocco; Oskar Lindqvist/Uppsala/Sweden; "
    "Priya Raman/Chennai/India; Quentin Moreau/Lyon/France; Ruth Abebe/Addis Ababa/Ethiopia; "
    "Siobhan Kelly/Cork/Ireland; Tomasz Zielinski/Gdansk/Poland; Ursula Meier/Bern/Switzerland; "
    "Victor Petrov/Plovdiv/Bulgaria; Wanjiru Njoroge/Nakuru/Kenya; Yusuf Rahman/Dhaka/Bangladesh"
)
PRODUCTS = (
    "Espresso cups, set of 4/kitchen/24.9; French press 1 l/kitchen/32.0; Cast iron pan/kitchen/58.5; "
    "Bread knife/kitchen/27.0; Tea kettle/kitchen/44.0; Wool blanket/home/89.0; Linen pillowcase/home/19.5; "
    "Desk lamp/home/49.0; Oak shelf/home/120.0; Ceramic vase/home/36.0; Notebook A5/office/8.5; "
    "Fountain pen/office/39.0; Desk pad/office/22.0; Paper clips/office/2.4; Wall calendar/office/14.9; "
    "Rain jacket/outdoor/135.0; Trail bottle/outdoor/18.0; Camping lantern/outdoor/34.5; "
    "Picnic rug/outdoor/41.0; Pocket compass/outdoor/16.0"
)
FIRST_DAY, DAYS, ORDERS = date(2025, 1, 6), 330, 60


def create(path: Path) -> Path:
    """Write the sample shop to `path` unless there is a file, and return `path`.

    The file appears whole or not at all; of several processes that do this at once, one wins and all use its file.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        fill(draft)
        publish(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def publish(draft: Path, path: Path) -> None:
    """Give a finished file its name, unless another process was first: what it may already use is not replaced."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        draft.replace(path)


def fill(path: Path) -> None:
    """Write schema and rows to a new database file."""
    chance = random.Random(20250106)
    connection = apsw.Connection(str(path))
    try:
        connection.execute("PRAGMA foreign_keys = on")
        with connection:
            connection.execute(SCHEMA)
            connection.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?)", customers(chance))
            products = goods(chance)
            connection.executemany("INSERT INTO products VALUES (?, ?, ?, ?, ?)", products)
            for number in range(1, ORDERS + 1):
                day = FIRST_DAY + timedelta(days=(number - 1) * DAYS // ORDERS + chance.randrange(4))
                status = (
                    "open" if number > ORDERS - 6 else chance.choices(["paid", "shipped", "returned"], [3, 6, 1])[0]
                )
                customer = chance.randint(1, CUSTOMERS.count(";") + 1)
                connection.execute(
                    "INSERT INTO orders VALUES (?, ?, ?, ?)", (number, customer, day.isoformat(), status)
                )
                for item in chance.sample(products, chance.choices([1, 2, 3, 4], [4, 4, 2, 1])[0]):
                    bought = (number, item[0], chance.choices([1, 2, 3, 6], [6, 3, 2, 1])[0], item[3])
                    connection.execute("INSERT INTO order_items VALUES (?, ?, ?, ?)", bought)
        connection.execute("ANALYZE")
    finally:
        connection.close()


def customers(chance: random.Random) -> list[tuple[int, str, str, str, str, str]]:
    """Return the rows of `customers`."""
    rows: list[tuple[int, str, str, str, str, str]] = []
    for number, entry in enumerate(CUSTOMERS.split("; "), 1):
        name, city, country = entry.split("/")
        email = f"{name.lower().replace(' ', '.')}@example.com"
        joined = FIRST_DAY - timedelta(days=chance.randrange(30, 700))
        rows.append((number, name, email, city, country, joined.isoformat()))
    return rows


def goods(chance: random.Random) -> list[tuple[int, str, str, float, int]]:
    """Return the rows of `products`."""
    rows: list[tuple[int, str, str, float, int]] = []
    for number, entry in enumerate(PRODUCTS.split("; "), 1):
        name, category, price = entry.split("/")
        rows.append((number, name, category, float(price), chance.randrange(0, 250)))
    return rows
