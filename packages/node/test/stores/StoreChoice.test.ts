import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { CredentialStoreError } from "@lockstep/core/Errors"
import type * as HomePin from "@lockstep/node/HomePin"
import * as Keyring from "@lockstep/node/keyring/Keyring"
import * as StoreChoice from "@lockstep/node/stores/StoreChoice"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as ToolStores from "@lockstep/tools/ToolStores"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"

interface Circumstances {
  readonly home: string
  readonly option?: string
  readonly environment?: string
  /** What the keyring says to `auto`; one that is asked although it should not be is a defect. */
  readonly keyring?: Keyring.KeyringError["reason"] | "there"
}

const choose = ({ environment, home, keyring, option }: Circumstances) =>
  StoreChoice.make({ store: option, home: { directory: home } }, {
    keyring: keyring === undefined ? Effect.dieMessage("the keyring was asked") : Effect.succeed(Keyring.makeMemory(
      keyring === "there"
        ? {}
        : { before: () => new Keyring.KeyringError({ reason: keyring, detail: "as it happens" }) }
    )),
    tool: ToolStores.all.find
  }).pipe(
    Effect.withConfigProvider(ConfigProvider.fromMap(
      new Map([["HOME", "/nobody"], ...(environment === undefined ? [] : [["LOCKSTEP_STORE", environment] as const])])
    ))
  )

const pin = (home: string, store: HomePin.StoreKind): void => {
  Fs.mkdirSync(home, { recursive: true, mode: 0o700 })
  Fs.writeFileSync(Path.join(home, "store.json"), JSON.stringify({ store, lock_dir: null, host: "here" }))
}

const inHome = <A, E>(use: (home: string) => Effect.Effect<A, E>) =>
  Effect.scoped(Effect.flatMap(Homes.temporary, (root) => use(Path.join(root, "home"))))

const summary = (choice: StoreChoice.StoreChoice["Type"]) => [choice.name, choice.chosenBy, choice.isAutomatic]

describe("the store of a process", () => {
  it.effect("an option, the environment, the pin, the plain file, in this order; and nothing is created", () =>
    inHome((home) =>
      Effect.gen(function*() {
        deepStrictEqual(summary(yield* choose({ home })), ["file", "default", false])
        deepStrictEqual(summary(yield* choose({ home, environment: " " })), ["file", "default", false])
        deepStrictEqual(summary(yield* choose({ home, environment: "secrets" })), ["secrets", "environment", false])
        deepStrictEqual(
          summary(yield* choose({ home, option: "keyring", environment: "secrets" })),
          ["keyring", "option", false]
        )
        assert.isFalse(Fs.existsSync(home))
        pin(home, "secrets")
        deepStrictEqual(summary(yield* choose({ home })), ["secrets", "pin", false])
      })
    ))

  it.effect("says what it adds to the bounds of a refresh", () =>
    inHome((home) =>
      Effect.gen(function*() {
        deepStrictEqual((yield* choose({ home, option: "keyring" })).limits, { writes: Duration.seconds(15) })
        deepStrictEqual((yield* choose({ home, option: "file" })).limits, {})
        deepStrictEqual((yield* choose({ home, option: "secrets" })).limits, { writes: Duration.seconds(15) })
        const tool = yield* choose({ home, option: "openab:/elsewhere/auth.json" })
        deepStrictEqual(tool.limits, { redeem: Duration.seconds(15) })
        const patient = yield* choose({ home, option: "claude-code:/elsewhere/auth.json" })
        deepStrictEqual(patient.limits, { redeem: Duration.millis(7_500), afterDeath: Duration.seconds(60) })
      })
    ))

  it.effect("another kind than the pin's stops, names both, and says how to move", () =>
    inHome((home) =>
      Effect.gen(function*() {
        pin(home, "keyring")
        for (const where of [{ option: "file" }, { environment: "file" }]) {
          const error = yield* Effect.flip(choose({ home, ...where }))
          assert.isTrue(error instanceof CredentialStoreError && error.reason === "Superseded", String(error))
          for (const part of ["keyring", "file"]) assert.include((error as CredentialStoreError).message, part)
          assert.include((error as CredentialStoreError).advice, "lockstep store move --to file")
        }
      })
    ))

  it.effect("an auth.json that is not pinned counts as a pin", () =>
    inHome((home) =>
      Effect.gen(function*() {
        Fs.mkdirSync(home, { mode: 0o700 })
        Fs.writeFileSync(Path.join(home, "auth.json"), "{\"version\":1,\"tenants\":{}}")
        deepStrictEqual(summary(yield* choose({ home })), ["file", "default", false])
        deepStrictEqual(summary(yield* choose({ home, option: "auto" })), ["file", "auto", true])
        const error = yield* Effect.flip(choose({ home, option: "keyring" }))
        assert.strictEqual((error as CredentialStoreError).reason, "Superseded")
      })
    ))

  it.effect("a tool's file is named for one call, whatever the home is pinned to", () =>
    inHome((home) =>
      Effect.gen(function*() {
        pin(home, "keyring")
        const choice = yield* choose({ home, option: "openab:/elsewhere/auth.json" })
        deepStrictEqual(summary(choice), ["openab", "option", false])
        assert.strictEqual(choice.chosen._tag === "Tool" && choice.chosen.tool.path, "/elsewhere/auth.json")
      })
    ))

  it.effect("no store of that name is a configuration error that does not repeat the name", () =>
    inHome((home) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(
          StoreChoice.make({ store: "lockstep-rt-secret", home: { directory: home } }, {
            keyring: Effect.die("asked"),
            tool: ToolStores.all.find
          })
        )
        assert.isTrue(ConfigError.isConfigError(error))
        assert.notInclude(String(error), "lockstep-rt")
      })
    ))

  it.effect("a pin that cannot be read is not guessed at, and no keyring is asked", () =>
    inHome((home) =>
      Effect.gen(function*() {
        Fs.mkdirSync(home, { mode: 0o700 })
        Fs.writeFileSync(Path.join(home, "store.json"), "{")
        deepStrictEqual(summary(yield* choose({ home })), ["file", "default", false])
        deepStrictEqual(summary(yield* choose({ home, option: "auto" })), ["file", "default", false])
        deepStrictEqual(summary(yield* choose({ home, option: "keyring" })), ["keyring", "option", false])
      })
    ))
})

describe("auto", () => {
  it.effect("takes what the home has, and asks no keyring", () =>
    inHome((home) =>
      Effect.gen(function*() {
        for (const kind of ["file", "keyring", "secrets"] as const) {
          pin(home, kind)
          deepStrictEqual(summary(yield* choose({ home, environment: "auto" })), [kind, "pin", true])
        }
      })
    ))

  it.effect("takes the keyring of a new home, and the file only without a keyring", () =>
    inHome((home) =>
      Effect.gen(function*() {
        deepStrictEqual(summary(yield* choose({ home, option: "auto", keyring: "there" })), ["keyring", "auto", true])
        deepStrictEqual(summary(yield* choose({ home, option: "auto", keyring: "Absent" })), ["file", "auto", true])
        assert.isFalse(Fs.existsSync(home))
      })
    ))

  it.effect("a keyring that is locked, slow or broken is an error, and never the file", () =>
    inHome((home) =>
      Effect.gen(function*() {
        const reasons = { Locked: "Locked", Timeout: "Unavailable", Unavailable: "Unavailable", TooLarge: "TooLarge" }
        for (const [keyring, reason] of Object.entries(reasons)) {
          const error = yield* Effect.flip(
            choose({ home, option: "auto", keyring: keyring as Keyring.KeyringError["reason"] })
          )
          assert.isTrue(error instanceof CredentialStoreError && error.reason === reason, String(error))
        }
        assert.isFalse(Fs.existsSync(home))
      })
    ))
})
