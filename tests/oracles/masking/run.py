"""The differential of masks, as the test harness runs it.

The first line of standard input is a job: where the API server is, the seed, a folder. The cluster is
filled, the bundle's `masks.kdl` and `rules.kdl` are written into the folder, and a line says so. The second
line of standard input says where the gateway is by then. The last line of standard output is the result.
"""

import json
import os
import random
import sys
import threading
import time

import kinds
from bundle import USERS, bundle
from client import Http1, Server
from compare import Differential
from policy import Policy, masks_kdl, rules_kdl
from seed import Seeding
from strategies import Key

# Least results of a run that looked at anything.
SHAPES_MIN = 4000
VALUES_MIN = 50000


def main():
    # Documents nest deep, and so do calls.
    threading.stack_size(64 << 20)
    job = json.loads(sys.stdin.readline())
    chance = random.Random(job["seed"])
    certificate = (job["certificate"], job["key"])
    direct = Server(job["server"], job["ca"], certificate=certificate)
    started = time.monotonic()
    with open(job["ca"], "rb") as file:
        made = Seeding(direct, chance, file.read()).run()
    policy = write_bundle(job, direct, chance)
    say(f"made {made} objects and a bundle in {time.monotonic() - started:.1f} s")
    print(json.dumps({"users": USERS}), flush=True)

    gateway = json.loads(sys.stdin.readline())
    through = {user: Server(gateway["server"], gateway["ca"], token=gateway["tokens"][user]) for user in USERS}
    differential = Differential(policy, direct, through, job["seed"], bool(job.get("full")))
    differential.only = job.get("kinds") or ()
    started = time.monotonic()
    differential.run(USERS, workers=10)
    report(policy, differential, time.monotonic() - started)


def write_bundle(job, direct, chance):
    samples = []
    client = Http1(direct)
    for kind in kinds.KINDS:
        listed = client.ask("GET", kind.path()).json()["items"]
        own = [each for each in listed if each["metadata"].get("labels", {}).get("oracle")] or listed
        for each in chance.choices(own, k=2):
            target = kind.path(each["metadata"].get("namespace"), each["metadata"]["name"])
            samples.append((kind.key, client.ask("GET", target).body))
    keys, files = {}, {}
    for name, content in [("first", b"R" * 40 + b"\n"), ("second", b"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc=\n")]:
        files[name] = os.path.join(job["directory"], name + ".key")
        with open(files[name], "wb") as file:
            file.write(content)
        keys[name] = Key(name, content, job["cluster"])
    masks, rules = bundle(chance, samples)
    policy = Policy(masks, rules, keys, job["cluster"])
    for name, text in [("masks.kdl", masks_kdl(policy, files)), ("rules.kdl", rules_kdl(policy))]:
        with open(os.path.join(job["directory"], name), "w", encoding="utf-8") as file:
            file.write(text)
    return policy


def report(policy, differential, seconds):
    faults = differential.faults
    for fault in faults[:40]:
        say(fault)
    origins = differential.seen.origins
    missed = [
        name
        for name, blocks in sorted(policy.masks.items())
        if not any(line in origins for block in blocks for line in block.lines)
    ]
    lines = [line for blocks in policy.masks.values() for block in blocks for line in block.lines]
    hit = sum(1 for line in lines if line in origins)
    say(f"shapes: {json.dumps(differential.by_shape)}")
    say(f"{hit} of {len(lines)} lines hit; {differential.asked_again} asked again;"
        f" Tables: {differential.tables_kept} kept, {differential.tables_lost} as objects; {seconds:.1f} s")
    if missed:
        faults.append(f"masks that masked nothing: {missed}")
        say(faults[-1])
    compared, values = differential.compared, differential.seen.values
    if compared < SHAPES_MIN or values < VALUES_MIN:
        faults.append("too little was looked at")
        say(faults[-1])
    print(f"{len(kinds.KINDS)} kinds, {compared} shapes compared, {values} values masked, {len(faults)} faults", flush=True)
    sys.exit(1 if faults else 0)


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
