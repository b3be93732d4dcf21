/**
 * `lockstep setup`: tells another program to ask Lockstep for its tokens, or shows how it is told.
 *
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import type { TenantId } from "@lockstep/core/TenantId"
import { NativeHome } from "@lockstep/node/stores/ResolvedHome"
import * as Effect from "effect/Effect"
import * as Match from "effect/Match"
import * as Option from "effect/Option"
import * as Advice from "../errors/Advice.js"
import * as Advised from "../errors/Advised.js"
import { UsageError } from "../line/UsageError.js"
import * as ClaudeCode from "../setup/ClaudeCode.js"
import * as Codex from "../setup/Codex.js"
import * as Git from "../setup/Git.js"
import * as Kubectl from "../setup/Kubectl.js"
import * as Mcp from "../setup/Mcp.js"
import * as Self from "../setup/Self.js"
import type { Setting, State } from "../setup/Setting.js"
import type { Asked } from "../setup/SetupLine.js"
import * as Output from "../terminal/Output.js"
import type * as LookWiring from "../wiring/LookWiring.js"

const settingOf = (self: Self.Self, asked: Asked): Effect.Effect<Setting, UsageError> =>
  Match.value(asked).pipe(
    Match.when({ consumer: "git" }, (options) => Git.make(self, options)),
    Match.when({ consumer: "kubectl" }, (options) => Kubectl.make(self, options)),
    Match.when({ consumer: "claude-code" }, (options) => ClaudeCode.make(self, options)),
    Match.when({ consumer: "codex" }, (options) => Codex.make(self, options)),
    Match.when({ consumer: "mcp" }, (options) => Mcp.make(self, options)),
    Match.exhaustive
  )

/** What is said of a setting that is not written, by how it stands. */
const STANDS: Readonly<Record<State, string>> = {
  absent: "is not there yet",
  same: "is there already",
  outdated: "is there from before and differs",
  other: "is there in another form, which --replace gives up"
}

/** The login may come later; a program that asks before is told so in its own way. */
const missing = (tenant: TenantId) =>
  Effect.gen(function*() {
    const store = yield* CredentialStore
    const found = yield* Effect.option(store.get(tenant))
    return Option.isSome(found) && Option.isNone(found.value)
      ? [`${tenant} is not logged in yet: ${Advice.command(...yield* Advised.beginningOf(tenant))}`]
      : []
  })

/**
 * Shows the setting, or writes it.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (asked: Asked, globals: LookWiring.Globals) =>
  Effect.gen(function*() {
    const { home } = yield* NativeHome
    const self = Self.make({ globals, home: home.directory, env: process.env, script: process.argv[1]! })
    const setting = yield* settingOf(self, asked)
    const { place, state, text } = setting
    const isDue = asked.write && state !== "same"
    if (isDue && state === "other" && !asked.replace) {
      return yield* new UsageError({
        reason: "Configuration",
        message: `${place}: what is there is not from this command`,
        advice: "look at it, and repeat with --replace to give it up"
      })
    }
    if (isDue) yield* setting.write
    const next = [...setting.next, ...yield* missing(asked.tenant)]
    if (asked.json) {
      return yield* Output.json({
        consumer: asked.consumer,
        tenant: asked.tenant,
        place,
        state,
        written: isDue,
        text,
        next
      })
    }
    const output = yield* Output.Output
    const note = (line: string) => output.note(`lockstep: ${line}\n`)
    if (asked.write) yield* Output.line(`${isDue ? "written" : "unchanged"}: ${place}`)
    else {
      yield* output.data(text)
      yield* note(`${place}: this ${STANDS[state]}${state === "same" ? "" : "; --write puts it there"}`)
    }
    for (const line of next) yield* note(line)
  })
