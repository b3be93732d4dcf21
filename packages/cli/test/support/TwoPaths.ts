/** The start of the command and the program, asked the same in this process: one line, one environment, one clock. */
import * as SourceVariables from "@lockstep/oauth/SourceVariables"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FastHome from "../../src/start/FastHome.js"
import * as FastLine from "../../src/start/FastLine.js"
import type * as FastPath from "../../src/start/FastPath.js"
import * as FastSettings from "../../src/start/FastSettings.js"
import * as TokenText from "../../src/token/TokenText.js"
import * as FixedClock from "./FixedClock.js"
import * as InProcess from "./InProcess.js"

/** What the start of the command judges, with everything that it reads from its line and its environment. */
export const judged = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string | undefined>>,
  now: number,
  rejected?: string
): { readonly judgement: FastPath.Judgement; readonly text: string | undefined } => {
  const line = FastLine.parse(args)
  const settings = line === undefined ? undefined : FastSettings.read(line, env)
  if (
    line === undefined || settings === undefined ||
    !line.storedOnly && SourceVariables.of(line.tenant).some(({ name }) => env[name] !== undefined)
  ) return { judgement: { _tag: "Doubt" }, text: undefined }
  if (settings.home === undefined) return { judgement: { _tag: "Doubt" }, text: undefined }
  const home = FastHome.make(settings.home, () => now)
  const judgement = home.judge({
    tenant: line.tenant,
    minTtl: line.minTtl ?? 0,
    rejected,
    margin: settings.margin,
    account: undefined
  })
  const render = (token: TokenText.TokenText) =>
    TokenText.render(token, { format: line.format, source: "stored", store: home.store, now })
  return { judgement, text: judgement._tag === "Serve" ? render(judgement.token) : undefined }
}

/** The program, to which the clock says `now`. What it warns of is an answer of its own. */
export const full = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string | undefined>>,
  now: number
): Effect.Effect<InProcess.Ran> =>
  InProcess.runLine(args).pipe(
    Effect.provide(Layer.setConfigProvider(ConfigProvider.fromMap(
      new Map(Object.entries(env).filter((one): one is [string, string] => one[1] !== undefined)),
      // As the environment is read: without it, a nested name such as LOCKSTEP_MARGIN is found by neither spelling.
      { pathDelim: "_" }
    ))),
    Effect.withClock(FixedClock.make(now))
  )
