"""A newcomer types a question about files, a database and a web page, and no key is set."""

from __future__ import annotations

from tests.journeys.stage import Desk, pages


def test_a_question_about_files_is_answered_with_their_real_names_and_first_lines(desk: Desk) -> None:
    done = desk.run("chat", said="list the files here, then show me the first lines of README.md\n")
    assert done.code == 0, done
    for name in ("README.md", "prices.csv"):
        assert name in done.out, done
    assert "How to brew tea, in three steps." in done.out, done
    assert "simulator" in done.out + done.err, "who answers is said"


def test_a_question_about_the_sample_database_is_answered_with_its_real_rows(desk: Desk) -> None:
    done = desk.run("chat", said="How many customers are in the database?\n")
    assert done.code == 0, done
    truth = desk.run("ask", '/call database__db_query {"sql": "select count(*) from customers"}')
    assert truth.code == 0, truth
    number = max(int(word) for word in truth.out.replace("[", " ").replace("]", " ").split() if word.isdigit())
    assert str(number) in done.out, (done, truth)


def test_a_page_on_loopback_is_fetched_once_the_user_allows_the_address(desk: Desk) -> None:
    page = "<html><title>Tea</title><body><h1>Darjeeling</h1><p>The champagne of teas.</p></body></html>"
    (desk.folder / "tea.html").write_text(page)
    with pages(desk.folder) as url:
        refused = desk.run("ask", f"fetch {url}/tea.html")
        assert "champagne" not in refused.out, "a private address is never fetched unasked"
        suite = {"command": "python3", "args": ["-m", "servers.fetch", "--allow-cidr", "127.0.0.1/32"]}
        config = desk.configure({"fetch": suite}, limits={"start_seconds": 30})
        done = desk.run("--config", config, "ask", f"fetch {url}/tea.html", env=path_of_python())
    assert done.code == 0, done
    assert "The champagne of teas." in done.out, done


def test_several_questions_are_one_conversation_that_can_be_listed_shown_and_resumed(desk: Desk) -> None:
    done = desk.run("chat", said="list the files here\n\nshow me the first lines of notes/plan.md\n/quit\nnever said\n")
    assert done.code == 0, done
    assert "Buy more sencha." in done.out
    listed = desk.run("conversations", "list")
    assert listed.out.count("list the files here") == 1, listed
    shown = desk.run("conversations", "show", "last")
    assert "list the files here" in shown.out
    assert "Buy more sencha." in shown.out
    assert "never said" not in shown.out
    again = desk.run("chat", "--resume", "last", said="show me the first lines of prices.csv\n")
    assert again.code == 0, again
    assert "assam" in again.out
    assert len(desk.run("conversations", "list").out.strip().splitlines()) == len(listed.out.strip().splitlines())


def path_of_python() -> dict[str, str]:
    import os
    import sys
    from pathlib import Path

    return {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
