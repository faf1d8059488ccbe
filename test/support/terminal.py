"""Runs a program in a pseudo-terminal and types into it: waits for each text in turn, then sends the keys.

Standard input: JSON {"argv": [...], "env": {...}, "cwd": "...", "steps": [{"wait": "...", "send": "..."}]}.
Standard output: JSON {"code": exit code or -signal, "screen": everything the program wrote, "missed": text that never came}.
"""
import fcntl
import json
import os
import pty
import select
import struct
import sys
import termios
import time

STEP_SECONDS = 20

task = json.load(sys.stdin)
pid, terminal = pty.fork()
if pid == 0:
    os.chdir(task["cwd"])
    os.execve(task["argv"][0], task["argv"], task["env"])

fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
screen = ""
position = 0
missed = None


def read_some(seconds):
    """Adds what the program writes within that time; False when it has ended."""
    global screen
    ready, _, _ = select.select([terminal], [], [], seconds)
    if not ready:
        return True
    try:
        data = os.read(terminal, 65536)
    except OSError:
        return False
    screen += data.decode("utf-8", "replace")
    return bool(data)


for step in task["steps"]:
    deadline = time.time() + STEP_SECONDS
    alive = True
    while step["wait"] not in screen[position:] and alive and time.time() < deadline:
        alive = read_some(0.1)
    if step["wait"] not in screen[position:]:
        missed = step["wait"]
        break
    position = screen.index(step["wait"], position) + len(step["wait"])
    time.sleep(0.1)  # the prompt is drawn before it listens
    os.write(terminal, step["send"].encode())

if missed is not None:
    os.kill(pid, 9)
deadline = time.time() + STEP_SECONDS
while time.time() < deadline and read_some(0.2):
    pass
_, status = os.waitpid(pid, 0)
json.dump({"code": os.waitstatus_to_exitcode(status), "screen": screen, "missed": missed}, sys.stdout)
