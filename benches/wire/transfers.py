"""Files on their way: compressed, back again, many small ones, and by HTTP."""

import itertools
import os
import random
import subprocess

from measure import csv_lines, hex_lines, medians, seconds, table, there, throughput

SMALL_BYTES = 10_000
TURNS = itertools.count()


def runs_of(commands, env=None):
    return {name: lambda command=command: seconds(command, env=env) for name, command in commands.items()}


def companion(server, *arguments):
    """The command line of our own client."""
    return [os.environ["STAGEWIRE_BIN"], *arguments, "--quiet", "--dsn", f"mysql://root@127.0.0.1:{server.port}"]


def elsewhere(ours, stage, put):
    """To a place where nothing is: what is there already with the same content is not stored again."""
    place = f"turn{next(TURNS)}"
    took = put(place)
    ours.client(f"REMOVE @{stage}/{place}/")
    return took


def put(ours, file, stage, options="AUTO_COMPRESS=FALSE"):
    return elsewhere(ours, stage, lambda place: ours.client(f"PUT 'file://{file}' @{stage}/{place} {options}"))


def to_s3(given, ours, bucket, file):
    works = {"stagewire": lambda: put(ours, file, "bucket")} | runs_of(bucket.upload(file), bucket.env)
    title = f"PUT of {given.megabytes} MiB to S3, mariadb client"
    throughput(title, given.megabytes, medians(given.runs, works))


def gzip(given, server, ours, folder):
    ours.client("CREATE STAGE IF NOT EXISTS zipped")
    for name, kind, write in (("table", "lines of a table", csv_lines), ("digits", "hexadecimal digits", hex_lines)):
        file = folder / name
        write(file, given.megabytes)
        peers = there({
            "gzip -1": ["gzip", "-1", "-c", file],
            "pigz -1 -p 2": ["pigz", "-1", "-p", "2", "-c", file],
        })  # fmt: skip
        works = {"stagewire": lambda file=file: put(ours, file, "zipped", "AUTO_COMPRESS=TRUE")}
        works |= {peer: lambda to=to: seconds(to, stdout=subprocess.DEVNULL) for peer, to in peers.items()}
        times = medians(given.runs, works)
        ours.client(f"PUT 'file://{file}' @zipped")
        sizes = {"stagewire": int(server.sql(f"LIST @zipped/{name}.gz")[0][1])}
        sizes |= {peer: bytes_of(command) for peer, command in peers.items()}
        more = {
            "seconds": {name: f"{time:.2f}" for name, time in times.items()},
            "bytes": {name: f"{size:,}" for name, size in sizes.items()},
            "of gzip's": {name: f"{size / sizes['gzip -1']:.3f}" for name, size in sizes.items()},
        }
        throughput(f"PUT of {given.megabytes} MiB with AUTO_COMPRESS=TRUE, {kind}", given.megabytes, times, more)
        file.unlink()
    ours.client("DROP STAGE zipped")


def bytes_of(command):
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as process:
        return sum(map(len, iter(lambda: process.stdout.read(1 << 20), b"")))


def get(given, server, ours, bucket, folder, file):
    ours.client("CREATE STAGE IF NOT EXISTS bench")
    (folder / "back").mkdir()
    to, name = folder / "back" / file.name, file.name
    for stage, place in (("bench", "a directory"), ("bucket", "S3")):
        ours.client(f"PUT 'file://{file}' @{stage} AUTO_COMPRESS=FALSE OVERWRITE=TRUE")
        own = {
            "stagewire get": companion(server, "get", f"@{stage}/{name}", to.parent, "--overwrite"),
            "curl": ["curl", "-sSf", "-o", to, f"http://127.0.0.1:{server.http}/v1/stages/{stage}/{name}"],
        }
        peers = bucket.download(name, to) if stage == "bucket" else {"cp": ["cp", file, to]}
        times = medians(given.runs, runs_of(own | peers, bucket.env))
        throughput(f"GET of {given.megabytes} MiB to a file, from {place}", given.megabytes, times)


def http(given, server, ours, file):
    ours.client("CREATE STAGE IF NOT EXISTS bench")
    url = f"http://127.0.0.1:{server.http}/v1"

    def form(stage, place):
        headers = ["-H", f"stage_name:{stage}", "-H", f"relative_path:{place}"]
        return seconds(["curl", "-sSf", "-XPUT", *headers, "-F", f"upload=@{file}", f"{url}/upload_to_stage"])

    def plain(stage, place):
        return seconds(["curl", "-sSf", "-T", file, f"{url}/stages/{stage}/{place}/{file.name}"])

    for stage, place in (("bench", "a directory"), ("bucket", "S3")):
        works = {
            "stagewire, /v1/upload_to_stage": lambda stage=stage: elsewhere(ours, stage, lambda to: form(stage, to)),
            "/v1/stages": lambda stage=stage: elsewhere(ours, stage, lambda to: plain(stage, to)),
            "PUT, mariadb client": lambda stage=stage: put(ours, file, stage),
        }
        title = f"{given.megabytes} MiB by curl to {place}, beside SQL"
        throughput(title, given.megabytes, medians(given.runs, works))


def small(given, server, ours, bucket, folder):
    """Each turn goes to a place where nothing is."""
    ours.client("CREATE STAGE IF NOT EXISTS bench")
    files, digits = folder / "files", random.Random(1)
    files.mkdir()
    for number in range(given.files):
        (files / f"{number:06}").write_bytes(digits.randbytes(SMALL_BYTES))

    def to_stage(stage, *options):
        to = f"@{stage}/small{next(TURNS)}/"
        return seconds(companion(server, "put", f"{files}/*", to, "--no-auto-compress", *options))

    def to_bucket(peer):
        return seconds(bucket.upload_all(files, f"small{next(TURNS)}")[peer], env=bucket.env)

    def to_directory(*command):
        return seconds([*command, files, folder / f"small{next(TURNS)}"])

    peers = {"bucket": {peer: lambda peer=peer: to_bucket(peer) for peer in bucket.upload_all(files, "")}}
    copies = there({"rclone copy": ("rclone", "copy"), "cp -r": ("cp", "-r")})
    peers["bench"] = {name: lambda copy=copy: to_directory(*copy) for name, copy in copies.items()}
    for stage, place in (("bench", "a directory"), ("bucket", "S3")):
        works = {"stagewire put": lambda stage=stage: to_stage(stage)}
        works["stagewire put --parallel=16"] = lambda stage=stage: to_stage(stage, "--parallel=16")
        title = f"{given.files} files of {SMALL_BYTES // 1000} KB to {place}"
        times = medians(given.runs, works | peers[stage])
        table(title, times, "files a second", lambda s: f"{given.files / s:.0f}", lambda ours, other: other / ours)
