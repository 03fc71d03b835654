"""The tests' bucket, as other programs name it: a place of our own in it."""

import os

import side_by_side
from measure import there

OF = ("BUCKET", "ENDPOINT", "REGION", "KEY", "SECRET")
# Our own `opendal.rs`.
OPENDAL = "OpenDAL by itself"


class Bucket:
    """Commands of each program, and the environment that they need."""

    def __init__(self, ours):
        self.of = {name: os.environ[f"STAGEWIRE_TEST_S3_{name}"] for name in OF}
        self.below = f"bench-{os.getpid()}"
        self.url = f"s3://{self.of['BUCKET']}/{self.below}"
        self.remote = f":s3,provider=Ceph,env_auth=true,endpoint='{self.of['ENDPOINT']}':{self.of['BUCKET']}/{self.below}"
        own = {"AWS_ACCESS_KEY_ID": self.of["KEY"], "AWS_SECRET_ACCESS_KEY": self.of["SECRET"], "AWS_REGION": self.of["REGION"]}
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | own
        self.ours = ours
        ours.client(f"CREATE OR REPLACE STAGE bucket {side_by_side.s3_options(self.below)}")

    def s5cmd(self, *arguments):
        return ["s5cmd", f"--endpoint-url={self.of['ENDPOINT']}", *arguments]

    def aws(self, *arguments):
        return ["aws", f"--endpoint-url={self.of['ENDPOINT']}", "s3", *arguments]

    def upload(self, file):
        return there({
            OPENDAL: [os.environ["BENCH_OPENDAL"], "put", file, f"{self.below}/opendal"],
            "s5cmd cp": self.s5cmd("cp", file, f"{self.url}/s5cmd"),
            "rclone copyto": ["rclone", "copyto", "--ignore-times", file, f"{self.remote}/rclone"],
            "aws s3 cp": self.aws("cp", "--quiet", file, f"{self.url}/aws"),
        })  # fmt: skip

    def download(self, name, file):
        return there({
            OPENDAL: [os.environ["BENCH_OPENDAL"], "get", f"{self.below}/{name}", file],
            "s5cmd cp": self.s5cmd("cp", f"{self.url}/{name}", file),
            "rclone copyto": ["rclone", "copyto", "--ignore-times", f"{self.remote}/{name}", file],
            "aws s3 cp": self.aws("cp", "--quiet", f"{self.url}/{name}", file),
        })  # fmt: skip

    def upload_all(self, folder, to):
        return there({
            "s5cmd cp": self.s5cmd("cp", f"{folder}/*", f"{self.url}/{to}/"),
            "rclone copy": ["rclone", "copy", folder, f"{self.remote}/{to}"],
            "aws s3 cp --recursive": self.aws("cp", "--quiet", "--recursive", folder, f"{self.url}/{to}/"),
        })  # fmt: skip

    def listing(self, below):
        """Of another place in the bucket."""
        name = self.of["BUCKET"]
        return there({
            OPENDAL: [os.environ["BENCH_OPENDAL"], "list", f"{below}/"],
            "s5cmd ls": self.s5cmd("ls", f"s3://{name}/{below}/*"),
            # Its times would cost it one more request an object.
            "rclone lsf -R": ["rclone", "lsf", "-R", "--files-only", "--format=ps", self.remote.replace(self.below, below)],
            "aws s3 ls --recursive": self.aws("ls", "--recursive", f"s3://{name}/{below}/"),
        })  # fmt: skip

    def fill(self, below, paths, folder):
        """The command that makes objects of some bytes there."""
        tiny, commands = folder / "tiny", folder / "commands"
        tiny.write_text("1234567\n", encoding="utf-8")
        with open(commands, "w", encoding="utf-8") as file:
            file.writelines(f"cp {tiny} s3://{self.of['BUCKET']}/{below}/{path}\n" for path in paths)
        return self.s5cmd("run", commands)

    def empty(self):
        self.ours.client("REMOVE @bucket")
