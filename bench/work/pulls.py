"""Pulls of a big image, beside the steps that a pull is made of."""

import functools
import json
import os
import re
import shutil
import subprocess
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from cputime import acct_argv, acct_paths, acct_timed, acct_usage
from place import BIG, BIG2, DATA, REG
from runtimes import DockerLike
from timing import Fail, sh, sync, timed

from work.images import rmi_big
from work.workload import W

BLOBS = f"http://{REG}/v2/big/blobs"
SKOPEO = ["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false"]
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@functools.cache
def manifest():
    """the digests of the big image's layers"""
    rq = urllib.request.Request(f"http://{REG}/v2/big/manifests/1", headers={"Accept": MANIFEST})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(rq) as answer:
        return [layer["digest"] for layer in json.load(answer)["layers"]]


class Pull(W):
    name = cap = "pull"
    reps = 4

    def setup(self, rt):
        for digest in manifest():
            # page cache warm for all
            sh(["curl", "-fsS", "-o", "/dev/null", f"{BLOBS}/{digest}"])
        return {}

    def once(self, rt, ctx, i):
        if getattr(rt, "div", 1) > 1 and i % rt.div:
            return {}
        d = f"{DATA}/pull-{re.sub('[^a-z]', '_', rt.name)}"
        shutil.rmtree(d, ignore_errors=True)
        if isinstance(rt, DockerLike):
            rmi_big(rt)
            sync()
            w, c = acct_timed(rt, rt.c("pull", *rt.pull_args, BIG))
            r = {"pull_cold": w, "pull_cold_cpu": c}
            sync()
            r["pull_again"] = rt.t("pull", *rt.pull_args, BIG)
            r["pull_shared_1_new_layer"] = rt.t("pull", *rt.pull_args, BIG2)
            rt.call("rmi", "-f", BIG2)
            sync()
            r["rmi_big"] = rt.t("rmi", "-f", BIG)
            rt.call("pull", *rt.pull_args, BIG)
            return r
        sync()
        ap = acct_paths(rt)
        u = acct_usage(ap)
        if rt.name == "skopeo-dir":
            v = timed(acct_argv(ap, [*SKOPEO, f"docker://{BIG}", f"dir:{d}"]), rt.env)
        elif rt.name == "skopeo+umoci":
            os.makedirs(d)
            copy = f"{' '.join(SKOPEO)} docker://{BIG} oci:{d}/oci:1"
            both = f"{copy} && umoci unpack --image {d}/oci:1 {d}/b"
            v = timed(acct_argv(ap, ["sh", "-c", both]), rt.env)
        else:
            v = self.pipes(rt, d, ap)
        shutil.rmtree(d, ignore_errors=True)
        return {"pull_cold": v, "pull_cold_cpu": acct_usage(ap) - u if ap else None}

    def pipes(self, rt, d, ap):
        """seconds of a pipe for each layer, four at a time"""
        os.makedirs(d)

        def one(k, digest):
            os.mkdir(f"{d}/{k}")
            more = {
                "curl-only": "",
                "curl|gunzip": " | gzip -dc",
                "curl|gunzip|tar": " | gzip -dc | tar -x --xattrs --numeric-owner -p -C",
            }[rt.name]
            end = f" {d}/{k}" if "tar" in more else " >/dev/null"
            argv = acct_argv(ap, ["sh", "-c", f"curl -fsS {BLOBS}/{digest}{more}{end}"])
            return subprocess.run(argv, stderr=subprocess.PIPE).returncode

        digests = manifest()
        t = time.perf_counter()
        with ThreadPoolExecutor(4) as ex:
            rcs = list(ex.map(one, range(len(digests)), digests))
        t = time.perf_counter() - t
        if any(rcs):
            raise Fail(f"rcs {rcs}")
        return t

    def teardown(self, rt, ctx):
        if isinstance(rt, DockerLike):
            rt.ensure(BIG)
