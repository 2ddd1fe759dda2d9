# SPDX-License-Identifier: GPL-2.0-only
"""The lab's agent, with a file for its port: that reads as empty at its end, as
a guest's port does whose kernel has not noticed yet that there is another
end."""

import os
import shutil
import subprocess
import tempfile
import time
import unittest

SOURCE = os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "src", "agent.c")
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


if __name__ == "__main__":
    unittest.main()
