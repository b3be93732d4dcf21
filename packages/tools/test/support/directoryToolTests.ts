import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as TenantId from "@lockstep/core/TenantId"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as DirectoryLocks from "@lockstep/testkit/processes/DirectoryLocks"
import { isEvent } from "@lockstep/testkit/processes/LockProcesses"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as TokenLedger from "@lockstep/testkit/servers/TokenLedger"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as DirectoryTools from "./directoryTools.js"
import * as ToolHomes from "./toolHomes.js"

const FAR = 4_000_000_000_000

/** How often each writes, and half as often we; more by hand with `LOCKSTEP_ROUNDS`. */
const TOOL_WRITES = Number(process.env["LOCKSTEP_ROUNDS"] ?? 80)
const OUR_WRITES = TOOL_WRITES / 2
/** Expiries, each of which all processes meet at once. */
const EXPIRIES = 3

/** What a tool's file is held to with real processes: ours, and those of the real proper-lockfile. */
export const directoryToolTests = (
  tool: DirectoryTools.Settings["tool"],
  names: { readonly access: string; readonly refresh: string; readonly expires: string },
  entry: string
): void => {
  const read = ({ file }: DirectoryTools.Settings): string => Fs.readFileSync(file, "utf8")
  const members = (settings: DirectoryTools.Settings) =>
    JSON.parse(read(settings)) as Record<string, Record<string, unknown>>

  const setUp = Effect.gen(function*() {
    const server = yield* AuthorizationServer.make()
    const login = yield* server.issue("a")
    const settings = yield* DirectoryTools.place(tool, {
      access: login.access_token,
      refresh: login.refresh_token,
      expires: 1
    })
    const told: DirectoryTools.Settings = {
      ...settings,
      quick: true,
      server: { tokenEndpoint: server.tokenEndpoint, clientId: server.clientId }
    }
    const locks = DirectoryTools.locksOf(told)
    return {
      server,
      settings: told,
      before: read(told),
      command: {
        do: "refresh",
        refresh: locks.refresh,
        store: locks.write,
        file: told.file,
        entry,
        names,
        server: told.server
      },
      locks,
      counts: () => ({ redemptions: server.ledger.redemptions.length, reuses: server.ledger.reuses.length }),
      lives: Effect.suspend(() => server.isActive(String(members(told)[entry]![names.refresh]))),
      stored: () => TokenLedger.fingerprint(String(members(told)[entry]![names.access]))
    }
  })

  const tokenOf = (settings: DirectoryTools.Settings) =>
    Effect.gen(function*() {
      const ours = yield* DirectoryTools.ours(settings)
      yield* ours.send({ do: "token" })
      return yield* ours.message(({ event }) => event === "token" || event === "failed")
    })

  describe(`${tool} and processes`, () => {
    it.scopedLive(
      "of many writers on both sides none loses an update, and every other byte stays",
      () =>
        Effect.gen(function*() {
          const settings = yield* DirectoryTools.place(tool, {
            access: FakeToken.make("at"),
            refresh: FakeToken.make("rt"),
            expires: FAR
          })
          const before = read(settings)
          const { alone } = DirectoryTools.locksOf(settings)
          const tools = yield* Effect.all([DirectoryLocks.properLockfile, DirectoryLocks.properLockfile])
          const ours = yield* Effect.all([DirectoryTools.ours(settings), DirectoryTools.ours(settings)])
          for (const [i, child] of tools.entries()) {
            const member = i === 0 ? "first" : "second"
            yield* child.send({ do: "write", ...alone, file: settings.file, member, times: TOOL_WRITES })
          }
          for (const child of ours) yield* child.send({ do: "write", times: OUR_WRITES })
          for (const child of [...tools, ...ours]) yield* child.message(isEvent("written"))
          deepStrictEqual(members(settings)["counted"], { first: TOOL_WRITES, second: TOOL_WRITES })
          assert.strictEqual(DirectoryTools.stable(read(settings)), DirectoryTools.stable(before))
          const { store } = yield* ToolHomes.open(DirectoryTools.toolOf(settings), settings.file)
          const { credential } = yield* Effect.flatten(store.get(TenantId.make(settings.tenant)))
          assert.strictEqual(credential.generation, ours.length * OUR_WRITES)
        }),
      300_000
    )

    it.scopedLive(
      "of many that find an expired token one redeems it, and all have the same",
      () =>
        Effect.gen(function*() {
          const { command, counts, lives, server, settings, stored } = yield* setUp
          const tools = yield* Effect.replicateEffect(DirectoryLocks.properLockfile, 3)
          const ours = yield* Effect.replicateEffect(DirectoryTools.ours({ ...settings, quick: false }), 3)
          for (let round = 1; round <= EXPIRIES; round++) {
            const expired = read(settings).replace(new RegExp(`("${names.expires}"\\s*:\\s*)\\d+`), "$11")
            Fs.writeFileSync(`${settings.file}.test`, expired)
            Fs.renameSync(`${settings.file}.test`, settings.file)
            for (const child of tools) yield* child.send({ ...command, round })
            for (const child of ours) yield* child.send({ do: "token", round })
            const answers = yield* Effect.forEach(
              [...tools, ...ours],
              (child) => child.message((said) => said["round"] === round)
            )
            deepStrictEqual([...new Set(answers.map(({ token }) => token))], [stored()])
            deepStrictEqual(counts(), { redemptions: round, reuses: 0 })
          }
          assert.isTrue(yield* lives)
          assert.strictEqual(server.ledger.refusals.length, 0)
        }),
      300_000
    )

    for (
      const [stop, redemptions, isPersisted] of [
        [{ span: "lockstep.refresh.lock", at: "end" }, 0, false],
        [{ span: "lockstep.refresh.prepare", at: "end" }, 0, false],
        [{ span: "lockstep.file.rename", at: "start", within: "lockstep.refresh.intent" }, 0, false],
        [{ span: "lockstep.refresh.intent", at: "end" }, 0, false],
        [{ span: "lockstep.refresh.capture", at: "end" }, 1, false],
        [{ span: "lockstep.store.companion", at: "start", within: "lockstep.refresh.persist" }, 1, false],
        [{ span: "lockstep.store.companion", at: "end", within: "lockstep.refresh.persist" }, 1, false],
        [{ span: "lockstep.store.modify", at: "end", within: "lockstep.refresh.persist" }, 1, true],
        [{ span: "lockstep.refresh.settle", at: "start" }, 1, true]
      ] as const
    ) {
      it.scopedLive(`killed at ${stop.span.slice(9)} (${stop.at}) a process leaves what the next one needs`, () =>
        Effect.gen(function*() {
          const { before, counts, lives, locks, settings, stored } = yield* setUp
          const ours = yield* DirectoryTools.ours({ ...settings, stop: { ...stop, signal: "SIGKILL" } })
          yield* ours.send({ do: "token" })
          assert.strictEqual((yield* ours.exit).signal, "SIGKILL")
          // Its last heartbeat is as old as that of a dead holder: nobody waits until it is.
          for (const { lock } of [...locks.refresh, locks.alone]) {
            if (Fs.existsSync(lock)) DirectoryLocks.age(lock, DirectoryLocks.STALE + 1)
          }
          assert.strictEqual(counts().redemptions, redemptions)
          assert.strictEqual((yield* tokenOf(settings))["token"], stored())
          deepStrictEqual(counts(), { redemptions: 1, reuses: 0 })
          assert.isTrue(yield* lives)
          assert.strictEqual(DirectoryTools.stable(read(settings)), DirectoryTools.stable(before))
          const left = Fs.readdirSync(Path.dirname(settings.file)).filter((name) => /\.answer$|\.tmp$/.test(name))
          // A process that finds a fresh token takes no lock and tidies nothing up: the next refresh does.
          deepStrictEqual(left.map((name) => Path.extname(name)), isPersisted ? [".answer"] : [])
        }))
    }

    it.scopedLive("stopped before it sent, it sends nothing when the tool has redeemed meanwhile", () =>
      Effect.gen(function*() {
        const { command, counts, lives, settings, stored } = yield* setUp
        const stop = { span: "lockstep.refresh.prepare", at: "end", signal: "SIGSTOP" } as const
        const ours = yield* DirectoryTools.ours({ ...settings, stop })
        const thief = yield* DirectoryLocks.properLockfile
        yield* ours.send({ do: "token", round: 1 })
        yield* ours.stopped
        yield* thief.send({ ...command, round: 1 })
        assert.strictEqual((yield* thief.message(isEvent("token")))["by"], "redeemed")
        yield* ours.signal("SIGCONT")
        // Its caller gets what the tool redeemed, where that is seen in time, or is told to call again.
        const first = yield* ours.message(({ round }) => round === 1)
        assert.include([stored(), "Superseded"], first["token"] ?? first["reason"])
        yield* ours.send({ do: "token", round: 2 })
        assert.strictEqual((yield* ours.message(({ round }) => round === 2))["token"], stored())
        deepStrictEqual(counts(), { redemptions: 1, reuses: 0 })
        assert.isTrue(yield* lives)
        assert.include(yield* ours.stderr, "was taken away")
      }))

    it.scopedLive("stopped with the answer in its hands, it stores it beside what the tool wrote meanwhile", () =>
      Effect.gen(function*() {
        const { before, counts, lives, locks, settings, stored } = yield* setUp
        const stop = { span: "lockstep.refresh.redeem", at: "end", signal: "SIGSTOP" } as const
        const ours = yield* DirectoryTools.ours({ ...settings, stop })
        const thief = yield* DirectoryLocks.properLockfile
        yield* ours.send({ do: "token" })
        yield* ours.stopped
        yield* thief.send({ do: "write", ...locks.refresh[0]!, file: settings.file, member: "first", times: 1 })
        yield* thief.message(isEvent("written"))
        yield* ours.signal("SIGCONT")
        assert.strictEqual((yield* ours.message(isEvent("token")))["token"], stored())
        deepStrictEqual(members(settings)["counted"], { first: 1, second: 0 })
        deepStrictEqual(counts(), { redemptions: 1, reuses: 0 })
        assert.isTrue(yield* lives)
        assert.strictEqual(DirectoryTools.stable(read(settings)), DirectoryTools.stable(before))
      }))
  })
}
