"""Many calls in one message: at the same time, each with its result, whatever becomes of the others."""

from __future__ import annotations

from tests.journeys.stage import Desk, calls, of_type, program, recorded


def test_eight_calls_of_one_message_run_at_the_same_time(desk: Desk) -> None:
    config = desk.configure({"workshop": program("workshop", str(desk.home))}, limits={"start_seconds": 30})
    text = calls(*[("workshop__meet", {"people": 8, "name": f"n{number}"}) for number in range(8)])
    done = desk.run("--config", config, "ask", "--stream-json", "--yes", text)
    assert done.code == 0, done
    finished = of_type(recorded(done), "tool_finished")
    said = [event["result"]["content"][0]["text"] for event in finished]
    assert sorted(said) == [f"n{number} met 7 others" for number in range(8)], done


def test_one_fails_one_is_unknown_one_is_denied_and_still_eight_results_come_in_order(desk: Desk) -> None:
    servers = {"workshop": program("workshop", str(desk.home))}
    policy = {"allow": ["workshop__note", "workshop__fail", "workshop__meet"], "deny": ["workshop__hang"]}
    config = desk.configure(servers, policy=policy, limits={"start_seconds": 30})
    wanted = [("workshop__note", {"name": f"n{number}"}) for number in range(5)]
    wanted[1:1] = [("workshop__fail", {"name": "f"}), ("workshop__nothing", {}), ("workshop__hang", {"name": "h"})]
    done = desk.run("--config", config, "ask", "--stream-json", calls(*wanted))
    events = recorded(done)
    asked, answered = of_type(events, "step_finished")
    ids = [block["id"] for block in asked["message"]["content"] if block["type"] == "call"]
    assert len(ids) == 8, done
    results = {event["call_id"]: event["result"] for event in of_type(events, "tool_finished")}
    assert [results[one]["is_error"] for one in ids] == [False, True, True, True, False, False, False, False], done
    assert answered["stop"] == "done", "the strict simulator took the eight results, so they came in order"
    assert (desk.home / "trace").read_text().splitlines().count("h") == 0, "a denied call does not run"


def test_what_nobody_is_there_to_allow_is_denied_and_the_exit_code_says_so(desk: Desk) -> None:
    config = desk.configure({"workshop": program("workshop", str(desk.home))}, limits={"start_seconds": 30})
    done = desk.run("--config", config, "ask", calls(("workshop__note", {"name": "x"})))
    assert done.code == 5, done
    assert not (desk.home / "trace").exists()
