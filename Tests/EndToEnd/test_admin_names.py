"""Names in an admin mount mean what they say: no file stands in for one of a secret (docs/SEMANTICS.md#names)."""

import errno
import os
import subprocess

import pytest
from support import ALGORITHM, COMMAND_DEADLINE, empty, needs_root, store  # noqa: F401 (fixtures)
from test_admin_mount import SECRET, Admin, admin, fails, secret  # noqa: F401 (fixtures)
from test_admin_tools import TOLD, WRITTEN

pytestmark = needs_root


@pytest.mark.parametrize("copy", ["cp -r {} {}", "cp -a {} {}", "cp -r --no-preserve=mode {}/. {}"])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_copied_folder_hides_nothing_that_the_store_says(secret, copy, is_there):
    other = secret.home / "OTHER"
    (secret.secret / "name").write_text("Copied\n")
    if is_there or "/." in copy:
        other.mkdir()
    if is_there:
        (other / "value").write_bytes(b"other")
        copy = copy.replace("{} {}", "{}/. {}")
    done = subprocess.run(
        ["sh", "-c", copy.format(secret.secret, other)], capture_output=True, timeout=COMMAND_DEADLINE)
    assert done.returncode == 1
    told = [line for line in done.stderr.decode().splitlines() if line.endswith("Permission denied")]
    assert len(told) == 1 + len(TOLD), done
    # The rest was copied; and once it is a secret it says of itself what the store says.
    (other / "value").write_bytes(b"of its own")
    assert sorted(os.listdir(other)) == sorted([*WRITTEN, *TOLD, "value"])
    assert (other / "name").read_text() == "Copied\n"
    shown = secret.store.json("secret", "show", ALGORITHM, "OTHER")
    assert (other / "version").read_text() == f"{shown['version']}\n" == ("2\n" if is_there else "1\n")
    for name in TOLD:
        assert f"OTHER/{name} reason=it cannot be written: only the store says what is in it" in secret.log


@pytest.mark.parametrize("is_pending", [False, True])
def test_no_file_can_have_the_name_of_one_that_cannot_be_written(admin, is_pending):
    admin.secret.mkdir()
    if not is_pending:
        (admin.secret / "value").write_bytes(b"first")
    beside = admin.secret / "beside"
    for name in [*TOLD, "grants"]:
        for flags in (os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT | os.O_EXCL):
            with pytest.raises(OSError) as caught:
                os.open(admin.secret / name, flags)
            assert caught.value.errno in (errno.EACCES, errno.EEXIST)
        beside.write_bytes(b"beside")
        fails(errno.EACCES, lambda: os.rename(beside, admin.secret / name))
        assert f"{SECRET}/{name} reason=it cannot be " in admin.log
    beside.unlink()
    listed = os.listdir(admin.secret)
    assert sorted(listed) == sorted([*WRITTEN, "value", *([] if is_pending else TOLD)])
    assert "only a secret of an owner is granted" in admin.log
    (admin.secret / "value").write_bytes(b"next")
    assert (admin.secret / "version").read_text() == ("1\n" if is_pending else "2\n")


@pytest.mark.parametrize("script", [
    "mkdir K; echo 'uid 4242' > K/callers; printf p > K/value",
    "mkdir K; echo 'uid 4242' > K/new; mv K/new K/callers; printf p > K/value",
    "mkdir K; echo 'uid 4242' > K/new; mv -n K/new K/callers; rm K/callers; mv -n K/new K/callers; printf p > K/value",
    "mkdir K; echo 'uid 4242' > ../../../../new; cp ../../../../new K/callers; printf p > K/value",
    "mkdir K; echo 'uid 4242' > ../../../../new; mv ../../../../new K/callers; printf p > K/value",
    "mkdir K; echo 'uid 4242' > ../../../../new; rsync ../../../../new K/callers; printf p > K/value",
    "python3 -c \"import os; os.mkdir('K'); open('K/callers', 'x').write('uid 4242'); open('K/value', 'x').write('p')\"",
    "python3 -c \"import os; os.mkdir('K'); open('K/n', 'x').write('uid 4242'); os.rename('K/n', 'K/callers');"
    " open('K/value', 'x').write('p')\"",
])
def test_the_rule_of_a_pending_secret_is_its_rule(admin, script):
    admin.sh("set -e; " + script)
    assert admin.store.json("callers", ALGORITHM, "K")["uids"] == [4242]
    assert admin.sh("cat K/callers") == "uid 4242\n" and os.listdir(admin.home / "K").count("callers") == 1


def test_a_grant_to_nobody_is_refused_with_its_reason(admin):
    shared = admin.root / "owners/nlp/SHARED_TOKEN"
    shared.mkdir()
    (shared / "value").write_bytes(b"shared")
    done = subprocess.run(
        ["tee", shared / "grants"], input=b"nlp/Planted7f3a\n", capture_output=True, timeout=COMMAND_DEADLINE)
    assert done.returncode == 1 and b"No such file" in done.stderr
    reason = "SHARED_TOKEN/grants reason=a line names an algorithm or an owner that does not exist; nothing was changed"
    assert admin.log.count(reason) == 1 and "Planted7f3a" not in admin.log
    # Of one that is still to be made, when it is made.
    other = admin.root / "owners/nlp/OTHER"
    other.mkdir()
    (other / "grants").write_text("nlp/Planted7f3a\n")
    descriptor = os.open(other / "value", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"x")
    fails(errno.ENOENT, lambda: os.close(descriptor))
    assert admin.log.count(reason.replace("SHARED_TOKEN", "OTHER")) == 1 and "Planted7f3a" not in admin.log
