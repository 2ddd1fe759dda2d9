# SPDX-License-Identifier: GPL-2.0-only
"""The lab's agent, with a file for its port: that reads as empty at its end, as
a guest's port does whose kernel has not noticed yet that there is another
end."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

LAB = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, LAB)

from machine import LabError, Port, SCRIPT_MAX  # noqa: E402

SOURCE = os.path.join(LAB, "src", "agent.c")
REQUEST = b"run 15\necho it; exit 3"


@unittest.skipUnless(shutil.which("cc"), "no C compiler")
class Agent(unittest.TestCase):
    """What it answers, however a request comes in."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        program = os.path.join(folder.name, "agent")
        subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-o", program,
                        SOURCE], check=True)
        self.port = os.path.join(folder.name, "port")
        with open(self.port, "wb"):
            pass
        self.agent = subprocess.Popen([program, "serve", self.port],
                                      stderr=subprocess.PIPE)
        self.addCleanup(self.agent.communicate)
        self.addCleanup(self.agent.kill)

    def send(self, *pieces):
        """These one after the other, with a pause; return the answer."""
        for piece in pieces:
            with open(self.port, "ab") as port:
                port.write(piece)
            time.sleep(0.3)
        for _ in range(50):
            with open(self.port, "rb") as port:
                answer = port.read()[sum(map(len, pieces)):]
            if b"end " in answer or self.agent.poll() is not None:
                break
            time.sleep(0.1)
        return answer

    def test_at_once(self):
        """A request as a whole."""
        self.assertEqual(self.send(REQUEST), b"out 3\nit\nend 3\n")

    def test_script_later(self):
        """The port is empty between the request's line and the script."""
        self.assertEqual(self.send(REQUEST[:7], REQUEST[7:]),
                         b"out 3\nit\nend 3\n")

    def test_in_pieces(self):
        """It is empty within the line, and within the script."""
        self.assertEqual(self.send(REQUEST[:4], REQUEST[4:9], REQUEST[9:]),
                         b"out 3\nit\nend 3\n")

    def test_not_a_request(self):
        """The agent gives up, and says why."""
        self.assertEqual(self.send(b"walk 3\n"), b"")
        self.assertIn(b"not a request: walk 3", self.agent.stderr.read())


class TooLong(unittest.TestCase):
    """A script that the agent would not take is not sent."""

    def test_limit(self):
        """The agent's limit is the one that is known here."""
        with open(SOURCE, encoding="utf-8") as source:
            shift = re.search(r"#define SCRIPT_MAX \(1 << (\d+)\)",
                              source.read())
        self.assertEqual(1 << int(shift[1]), SCRIPT_MAX)

    def test_refused(self):
        """Before anything of it is on its way: this port has no socket."""
        with self.assertRaisesRegex(LabError, f"takes {SCRIPT_MAX}"):
            Port.__new__(Port).script("x" * (SCRIPT_MAX + 1), 1, "a script")


if __name__ == "__main__":
    unittest.main()
