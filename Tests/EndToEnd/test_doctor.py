"""Damage inside a sealed record: found, named, survived."""

import os
import sqlite3

import pytest
from support import ALGORITHM, empty, store  # noqa: F401 (fixtures)

UNAVAILABLE, DAMAGED = 69, 70


def flip(store, prefix: str, which=-1) -> str:
    """Flips one bit of a sealed record, under a store that is whole otherwise. Answers its key."""
    with sqlite3.connect(store.state / "store.db") as database:
        rows = database.execute("SELECT key, bytes FROM record ORDER BY key").fetchall()
        key, record = [(key, record) for key, record in rows if bytes(key).decode().startswith(prefix)][which]
        changed = bytearray(record)
        changed[-20] ^= 1
        database.execute("UPDATE record SET bytes = ? WHERE key = ?", (bytes(changed), key))
    database.close()
    return bytes(key).decode()


def records(store, *options, status=0, **more):
    import json

    outcome = store.run("doctor", "--json", *options, **more)
    assert outcome.status == status, outcome
    return [finding for finding in json.loads(outcome.output) if finding["check"] == "records"]


def test_a_whole_store_is_said_to_open(store):
    store.create("A", b"1")
    (finding,) = records(store)
    assert finding["level"] == "ok" and finding["finding"].startswith("all ")


def test_a_damaged_value_is_named_with_what_helps(store):
    store.create("A", b"one")
    store.update("A", b"two")
    store.create("ONLY", b"value")
    key = flip(store, f"value/{ALGORITHM}/{store.json('secret', 'show', ALGORITHM, 'A')['id']}/", which=1)
    (finding,) = records(store, status=UNAVAILABLE)
    assert finding["level"] == "problem"
    assert finding["finding"] == f"version 2 of A of {ALGORITHM} is damaged ({key})"
    rollback = f"secretfs secret rollback {ALGORITHM} A --to 1"
    assert rollback in finding["remedy"] and "backup" in finding["remedy"]
    store.does(*rollback.split()[1:])
    # Now it is an older version, which is destroyed.
    (finding,) = records(store, status=UNAVAILABLE)
    destroy = f"secretfs secret destroy {ALGORITHM} A --version 2"
    assert destroy in finding["remedy"]
    store.does(*destroy.split()[1:], "--yes")
    assert records(store)[0]["level"] == "ok"
    flip(store, f"value/{ALGORITHM}/{store.json('secret', 'show', ALGORITHM, 'ONLY')['id']}/")
    (finding,) = records(store, status=UNAVAILABLE)
    assert f"secretfs secret update {ALGORITHM} ONLY" in finding["remedy"] and "rollback" not in finding["remedy"]
    store.update("ONLY", b"new")
    store.does("secret", "destroy", ALGORITHM, "ONLY", "--version", "1", "--yes")
    assert records(store)[0]["level"] == "ok"


def test_a_value_of_an_owner_and_what_is_no_value_are_named_too(store):
    store.create("SHARED", b"1", of="nlp")
    flip(store, "shared-value/nlp/")
    flip(store, f"algorithm/{ALGORITHM}")
    findings = records(store, status=UNAVAILABLE)
    assert {finding["finding"].split(" (")[0] for finding in findings} == {
        f"algorithm/{ALGORITHM} is damaged", "version 1 of SHARED of nlp is damaged",
    }  # fmt: skip


def test_much_damage_is_counted(store):
    store.put({f"N{number}": b"v" for number in range(30)})
    with sqlite3.connect(store.state / "store.db") as database:
        database.execute("UPDATE record SET bytes = CAST(bytes || x'00' AS BLOB) WHERE substr(key, 1, 6) = CAST('value/' AS BLOB)")
    database.close()
    findings = records(store, status=UNAVAILABLE)
    assert len(findings) == 21 and findings[-1]["finding"] == "10 more are damaged"


def test_without_the_key_nothing_is_opened_and_that_is_said(empty):
    (empty.root / "passphrase").write_text("correct horse battery staple")
    given = ["--passphrase-file", "passphrase"]
    empty.does("init", "--passphrase", *given)
    empty.does("algorithm", "create", ALGORITHM, *given)
    flip(empty, "algorithm/")
    (finding,) = records(empty)
    assert finding["level"] == "warning" and "not opened, so damage in them is not known" in finding["finding"]
    assert "--passphrase-file" in finding["remedy"]
    (finding,) = records(empty, *given, status=UNAVAILABLE)
    assert "is damaged" in finding["finding"]


def test_a_program_that_is_not_started_for_damage_is_told_so_and_the_log_names_the_secret(store):
    store.create("GOOD", b"1")
    store.create("BAD", b"2")
    flip(store, f"value/{ALGORITHM}/{store.json('secret', 'show', ALGORITHM, 'BAD')['id']}/")
    mount = store.mount()
    outcome = store.run("run", ALGORITHM, "--", "true")
    assert outcome.status == 125 and "a value is damaged, or" in outcome.errors and "secretfs doctor" in outcome.errors
    with pytest.raises(OSError):
        (mount / ".environ").read_bytes()
    log = (store.state / "agent.log").read_text()
    assert any("file=BAD" in line and "reason=damaged" in line for line in log.splitlines()), log
    assert "file=GOOD" not in log
    assert os.listdir(mount) and (mount / "GOOD").read_bytes() == b"1"
