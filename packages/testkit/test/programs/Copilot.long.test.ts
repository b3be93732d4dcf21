/**
 * Copilot CLI logs in on a device, at servers of loopback under GitHub's names, and keeps the token where a person who has
 * no keyring lets it. It is not shown that it sends a token that Lockstep wrote, since Lockstep writes none for it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as GnomeKeyring from "@lockstep/testkit/processes/GnomeKeyring"
import * as Programs from "@lockstep/testkit/processes/Programs"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { readFileSync, writeFileSync } from "node:fs"
import * as Command from "../Command.js"
import * as GitHub from "./github.js"
import * as Stage from "./stage.js"
import * as Table from "./table.js"

const ROW = "Copilot CLI"
const seen = Table.observe(ROW, "copilot")
const TOKEN = "gho_lockstepCopilot000000000000000000000"

const words = (command: ReadonlyArray<string>) => command.map((word) => `'${word}'`).join(" ")

describe.skipIf(!Stage.isInstalled("copilot"))(`${ROW}, the real program`, () => {
  it.scopedLive(
    "keeps a login that Lockstep takes over as it is, and changes nothing in its file",
    () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make
        const github = yield* GitHub.make(TOKEN)
        const authority = stage.path("ca.pem")
        writeFileSync(authority, github.certificate.cert)
        const env = { ...Programs.ENVIRONMENT, ...github.environment(authority), TERM: "xterm", SHELL: "/bin/sh" }

        // On a terminal: only there it asks whether the token may lie in a file.
        const { command } = Option.getOrThrow(Programs.find("copilot"))
        const child = yield* stage.harness.spawn({
          program: "script",
          args: ["-qefc", words([...command, "login", "--device-code"]), "/dev/null"],
          env
        })
        yield* Effect.repeat(Effect.zipLeft(child.stdout, Effect.sleep("20 millis")), {
          until: (text) => text.includes("(y/N)")
        })
        yield* child.write("y\n")
        const { code } = yield* child.exit
        assert.strictEqual(code, 0, yield* child.stdout)
        assert.deepInclude(github.requests, { host: "api.github.com", path: "/copilot_internal/user", token: TOKEN })

        const file = stage.path(".copilot", "config.json")
        const written = readFileSync(file, "utf8")
        assert.match(written, /^\/\//)
        const run = (...args: ReadonlyArray<string>) =>
          Effect.flatMap(
            stage.harness.spawn({ args: [entry, ...args], env, prints: ["access_token"] }),
            stage.ended
          )
        const entry = yield* Command.entry
        const found = yield* run("import", "copilot", "--from-tool", "copilot")
        assert.strictEqual(found.code, 0, found.stderr)
        // GitHub's token is exchanged for Copilot's, and stays what it is.
        const told = yield* run("token", "copilot")
        assert.strictEqual(told.stdout, "tid=lockstep;exp=9999999999\n", told.stderr)
        assert.deepInclude(github.requests.at(-1), { path: "/copilot_internal/v2/token", token: TOKEN })
        assert.strictEqual(readFileSync(file, "utf8"), written)
        seen("reads")
      }),
    240_000
  )

  it.scopedLive.skipIf(!GnomeKeyring.isInstalled)(
    "keeps a login in the keyring where there is one, and Lockstep says where that is",
    () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make
        const keyring = yield* GnomeKeyring.make
        const github = yield* GitHub.make(TOKEN)
        const authority = stage.path("ca.pem")
        writeFileSync(authority, github.certificate.cert)
        const { DBUS_SESSION_BUS_ADDRESS = "" } = keyring.environment
        const env = { ...github.environment(authority), DBUS_SESSION_BUS_ADDRESS }
        const child = yield* stage.start("copilot", ["login", "--device-code"], env)
        yield* child.closeStdin
        const ended = yield* stage.ended(child)
        assert.strictEqual(ended.code, 0, ended.stdout + ended.stderr)
        const written = readFileSync(stage.path(".copilot", "config.json"), "utf8")
        assert.notInclude(written, TOKEN)
        const refused = yield* stage.lockstep("import", "copilot", "--from-tool", "copilot")
        assert.strictEqual(refused.code, 2)
        assert.include(refused.stderr, `the keyring (service copilot-cli, account https://github.com:${GitHub.USER})`)
      }),
    240_000
  )

  it("stands in the table of the documents as it was seen", () => Table.compare(ROW, "copilot"))
})
