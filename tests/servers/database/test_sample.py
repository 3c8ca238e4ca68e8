"""The sample shop: the same everywhere, whole or not there, and worth a question."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from servers.database import sample
from tests.servers.database.stage import rows_in

TABLES = ("customers", "products", "orders", "order_items")
MAKE = "import sys, pathlib; from servers.database import sample; sample.create(pathlib.Path(sys.argv[1]))"


def content(path: Path) -> list[object]:
    """Every row of the shop."""
    return [rows_in(path, f"SELECT * FROM {table} ORDER BY 1, 2") for table in (*TABLES, "revenue_by_month")]


def test_the_shop_is_the_same_each_time(tmp_path: Path) -> None:
    one, two = sample.create(tmp_path / "one.db"), sample.create(tmp_path / "deep" / "two.db")
    assert content(one) == content(two)
    counted = [rows_in(one, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES]
    assert 150 <= sum(counted) <= 300


def test_its_rows_fit_together(tmp_path: Path) -> None:
    shop = sample.create(tmp_path / "shop.db")
    assert rows_in(shop, "PRAGMA foreign_key_check") == []
    assert rows_in(shop, "SELECT count(*) FROM orders WHERE id NOT IN (SELECT order_id FROM order_items)") == [(0,)]
    assert rows_in(shop, "SELECT count(*) FROM customers WHERE email NOT LIKE '%@example.com'") == [(0,)]
    assert len(rows_in(shop, "SELECT * FROM revenue_by_month")) >= 10


def test_a_shop_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    path.write_bytes(b"mine")
    assert sample.create(path).read_bytes() == b"mine"


def test_many_processes_at_once_make_one_whole_shop(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    makers = [subprocess.Popen([sys.executable, "-c", MAKE, str(path)]) for _ in range(6)]
    assert [maker.wait(30) for maker in makers] == [0] * 6
    assert [entry.name for entry in tmp_path.iterdir()] == ["shop.db"]
    assert content(path) == content(sample.create(tmp_path / "other.db"))
