"""What the commands here need to show the page to a browser: a server, people at terminals, and Chromium by WebDriver (W3C)."""

import base64
import json
import re
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

DEADLINE_S = 30


class Server:
    """A server on a port of its own, with the data of nobody else."""

    def __init__(self, program, *flags):
        self.data = tempfile.TemporaryDirectory(prefix="chat-page-")
        self.process = subprocess.Popen(
            [program, "127.0.0.1:0", "--data", self.data.name, "--rate-limit", "off", "--connect-rate", "off",
             "--max-clients-per-address", "1000", "--max-rooms-per-client", "100", *flags],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.port = int(re.search(r"Listening on: .*:(\d+)$", line)[1])
        self.log = []
        threading.Thread(target=self.read_log, daemon=True).start()

    def read_log(self):
        self.log.extend(self.process.stderr)

    def url(self, name, room):
        return f"http://127.0.0.1:{self.port}/?name={name}&room={room}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.data.cleanup()


class Person:
    """Somebody at a terminal."""

    def __init__(self, server, name):
        self.socket = socket.create_connection(("127.0.0.1", server.port))
        self.heard = ""
        threading.Thread(target=self.listen, daemon=True).start()
        self.type(f"/nick {name}")
        self.wait_for(f"You are {name} now.")

    def listen(self):
        try:
            while data := self.socket.recv(65536):
                self.heard = (self.heard + data.decode(errors="replace"))[-4096:]
        except OSError:
            pass

    def type(self, *lines):
        self.socket.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def wait_for(self, text):
        deadline = time.monotonic() + DEADLINE_S
        while text not in self.heard:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{text!r} was not said: {self.heard!r}")
            time.sleep(0.005)

    def join(self, room):
        self.type(f"/join #{room}")
        self.wait_for(f"You are in #{room} now")

    def close(self):
        self.socket.close()


class Driver:
    """chromedriver, on a port of its own; it and its browsers end with the block."""

    def __enter__(self):
        for _ in range(10):
            # With --port=0 it ends now and then, because the port that it found is taken.
            self.process = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            for line in self.process.stdout:
                if match := re.search(r"started successfully on port (\d+)", line):
                    self.url = f"http://127.0.0.1:{match[1]}"
                    return self
            self.process.wait()
        raise RuntimeError("chromedriver does not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def request(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/{path}", data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=2 * DEADLINE_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {json.load(error)['value']['message']}") from None


class Browser:
    """Chromium with an empty profile, until the block ends."""

    def __init__(self, driver, language="en-US", width=1280, height=800, phone=False, dark=False):
        self.driver = driver
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars",
                            "--no-first-run", f"--lang={language}", f"--accept-lang={language}"],
                   "prefs": {"intl.accept_languages": language}}
        session = driver.request("POST", "session", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}})
        self.path = f"session/{session['sessionId']}"
        self.resize(width, height, phone)
        self.theme(dark)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.request("DELETE", self.path)

    def command(self, path, body):
        return self.driver.request("POST", f"{self.path}/{path}", body)

    def cdp(self, command, **params):
        """A command of Chromium's own protocol."""
        return self.command("goog/cdp/execute", {"cmd": command, "params": params})

    def resize(self, width, height, phone=False, scale=None):
        scale = scale or (2 if phone else 1)
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone)
        self.cdp("Emulation.setTouchEmulationEnabled", enabled=phone)

    def theme(self, dark):
        value = "dark" if dark else "light"
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])

    def open(self, url):
        self.command("url", {"url": url})
        self.wait("document.body.dataset.state === 'online' && !document.querySelector('#log').classList.contains('waiting')")

    def run(self, script):
        """What the body of a function returns."""
        return self.command("execute/sync", {"script": script, "args": []})

    def wait(self, condition):
        deadline = time.monotonic() + DEADLINE_S
        while self.run(f"return Boolean({condition})") is not True:
            if time.monotonic() > deadline:
                raise TimeoutError(condition)
            time.sleep(0.05)

    def element(self, selector):
        return next(iter(self.command("element", {"using": "css selector", "value": selector}).values()))

    def click(self, selector):
        self.command(f"element/{self.element(selector)}/click", {})

    def type(self, selector, keys):
        self.command(f"element/{self.element(selector)}/value", {"text": keys})

    def picture(self):
        """A PNG of what is in sight."""
        return base64.b64decode(self.driver.request("GET", f"{self.path}/screenshot"))
