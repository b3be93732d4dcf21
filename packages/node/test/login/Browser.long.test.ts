import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Browser from "@lockstep/node/login/Browser"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import { until } from "@lockstep/testkit/processes/LockProcesses"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"

const URL_WITH_EVERYTHING = "https://auth.example/authorize?state=a%20b&scope=x+y&z=$(touch%20/tmp/x);`id`&q='%22"

const surroundings = (
  environment: Readonly<Record<string, string>>,
  differences: Partial<Browser.Surroundings> = {}
): Browser.Surroundings => ({ platform: "linux", environment, isContainer: false, ...differences })

const DESKTOP = { DISPLAY: ":0" }
const openers = (...of: Parameters<typeof surroundings>) => Browser.openers(surroundings(...of))

describe("what is tried", () => {
  it("is the platform's opener where there is a desktop", () => {
    deepStrictEqual(openers(DESKTOP), [["xdg-open", "%s"]])
    deepStrictEqual(openers({ WAYLAND_DISPLAY: "wayland-0" }), [["xdg-open", "%s"]])
    deepStrictEqual(openers({ WSL_DISTRO_NAME: "Debian" }), [["wslview", "%s"], ["xdg-open", "%s"]])
    deepStrictEqual(openers({}, { platform: "darwin" }), [["/usr/bin/open", "%s"]])
    deepStrictEqual(openers({ SystemRoot: "D:\\Win" }, { platform: "win32" }), [
      ["D:\\Win\\System32\\rundll32.exe", "url.dll,FileProtocolHandler", "%s"]
    ])
  })

  it.each([
    ["there is no display", surroundings({})],
    ["the display is named by nothing", surroundings({ DISPLAY: " " })],
    ["the person sits elsewhere", surroundings({ ...DESKTOP, SSH_CONNECTION: "10.0.0.1 1 10.0.0.2 22" })],
    ["the person sits elsewhere, at a Mac", surroundings({ SSH_TTY: "/dev/ttys001" }, { platform: "darwin" })],
    ["it is a container", surroundings(DESKTOP, { isContainer: true })],
    ["it is turned off", surroundings({ ...DESKTOP, LOCKSTEP_BROWSER: "none" })],
    ["it is turned off for everybody", surroundings({ ...DESKTOP, BROWSER: "none" })],
    ["the browser would draw in the terminal", surroundings({ BROWSER: "/usr/bin/w3m:lynx -nocolor" })]
  ])("is nothing where %s", (_, where) => {
    deepStrictEqual(Browser.openers(where), [])
  })

  it("is what a person named, before anything else and wherever it is", () => {
    const named: ReadonlyArray<Browser.Opener> = [["firefox", "-new-tab", "%s"], ["/opt/b", "--url=%s"]]
    deepStrictEqual(openers({ BROWSER: "firefox -new-tab:/opt/b --url=%s" }, { isContainer: true }), named)
    deepStrictEqual(openers({ ...DESKTOP, BROWSER: "firefox", LOCKSTEP_BROWSER: "chromium" }), [
      ["chromium", "%s"],
      ["xdg-open", "%s"]
    ])
  })
})

/** Browsers that are shell scripts in a directory of their own. */
const scripts = (programs: Readonly<Record<string, string>>) =>
  Effect.map(Homes.temporary, (directory) => {
    for (const [name, body] of Object.entries(programs)) {
      Fs.writeFileSync(Path.join(directory, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 })
    }
    return directory
  })

const RECORD = "for a; do printf '%s\\n' \"$a\" >> \"$0.args.tmp\"; done; mv \"$0.args.tmp\" \"$0.args\""

const opened = (path: string) =>
  Effect.map(until(() => Fs.existsSync(`${path}.args`)), () => Fs.readFileSync(`${path}.args`, "utf8").trimEnd())

describe("opening", () => {
  it.scopedLive("hands the address over as it is, as one argument", () =>
    Effect.gen(function*() {
      const directory = yield* scripts({ good: RECORD })
      const good = Path.join(directory, "good")
      const browser = Browser.make(surroundings({ BROWSER: `${good} --new` }))
      assert.isTrue(yield* browser.open(URL_WITH_EVERYTHING))
      deepStrictEqual((yield* opened(good)).split("\n"), ["--new", new URL(URL_WITH_EVERYTHING).href])
    }))

  it.scopedLive("goes on to the next where one is missing or fails, and says when none is left", () =>
    Effect.gen(function*() {
      const directory = yield* scripts({ good: RECORD, bad: "exit 3" })
      const at = (name: string) => Path.join(directory, name)
      const open = (...names: ReadonlyArray<string>) =>
        Browser.make(surroundings({ BROWSER: names.map(at).join(":") })).open("https://auth.example/")
      assert.isFalse(yield* open("missing", "bad"))
      assert.isTrue(yield* open("missing", "bad", "good"))
      assert.strictEqual(yield* opened(at("good")), "https://auth.example/")
    }))

  it.scopedLive("does not wait for a browser to end, nor end it", () =>
    Effect.gen(function*() {
      const directory = yield* scripts({ stays: `echo $$ > "$0.pid"; exec sleep 60` })
      const stays = Path.join(directory, "stays")
      assert.isTrue(yield* Browser.make(surroundings({ BROWSER: stays })).open("https://auth.example/"))
      const pid = Number(Fs.readFileSync(`${stays}.pid`, "utf8"))
      assert.isTrue(process.kill(pid, 0))
      process.kill(pid)
    }))

  it.scopedLive.each([
    "http://auth.example/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "--version",
    "https://",
    ""
  ])("refuses what is no address of a server: %s", (url) =>
    Effect.gen(function*() {
      const directory = yield* scripts({ good: RECORD })
      const good = Path.join(directory, "good")
      const browser = Browser.make(surroundings({ BROWSER: good }))
      assert.isFalse(yield* browser.open(url))
      assert.isFalse(Fs.existsSync(`${good}.args`) || Fs.existsSync(`${good}.args.tmp`))
      assert.isTrue(yield* browser.open("http://127.0.0.1:1/"))
    }))
})
