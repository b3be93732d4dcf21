/**
 * `lockstep exec` where the token is there already: stored and fresh, or at the keeper. The command then runs before
 * anything is loaded; for everything else the program is.
 *
 * @since 0.1.0
 */
import * as SourceVariables from "@lockstep/oauth/SourceVariables"
import * as Style from "../terminal/Style.js"
import * as Times from "../terminal/Times.js"
import type { TokenText } from "../token/TokenText.js"
import * as ChildRun from "./ChildRun.js"
import * as ExecLine from "./ExecLine.js"
import * as FastHome from "./FastHome.js"
import * as FastKeeper from "./FastKeeper.js"
import * as FastSettings from "./FastSettings.js"
import type { HandOver, Told } from "./HandOver.js"
import * as KeeperTurn from "./KeeperTurn.js"

const SIGNALS: ReadonlyArray<NodeJS.Signals> = ["SIGHUP", "SIGINT", "SIGTERM", "SIGTSTP", ...ChildRun.FORWARDED]

/** A child keeps the token that it was given for as long as it runs. Milliseconds. */
const SHORT = 10 * 60_000

const warn = ({ expiresAt, tenant }: TokenText): void => {
  const left = expiresAt === null ? undefined : expiresAt * 1000 - Date.now()
  if (left === undefined || left >= SHORT) return
  const style = Style.forStream(process.stderr, process.env)
  process.stderr.write(
    `${style.yellow("lockstep: warning:")} the token of ${tenant} expires in ${
      Times.span(left)
    }, and a running command keeps it\n`
  )
}

type Found = { readonly token: TokenText } | { readonly refusal: Told } | undefined

const find = async (line: ExecLine.ExecLine, settings: FastSettings.FastSettings): Promise<Found> => {
  const { home } = settings
  const isNamed = KeeperTurn.named(process.env) !== undefined
  if (!isNamed) {
    if (home === undefined) return undefined
    const judgement = FastHome.make(home).judge({
      tenant: line.tenant,
      minTtl: line.minTtl ?? 0,
      rejected: undefined,
      margin: settings.margin,
      account: undefined
    })
    if (judgement._tag === "Serve") return { token: judgement.token }
    // Where locks were named it has to be found out whether the home agrees.
    const mayAsk = judgement._tag === "Refresh" || judgement._tag === "Doubt"
    if (!mayAsk || settings.lockDirectory !== undefined || !KeeperTurn.isBeside(home)) return undefined
  }
  const outcome = await FastKeeper.ask(
    KeeperTurn.question(settings, {
      tenant: line.tenant,
      minTtl: line.minTtl,
      rejected: undefined,
      leaveAfter: undefined
    }, process.env)
  )
  switch (outcome._tag) {
    case "Token":
      return { token: outcome.token }
    case "Told":
      return { refusal: outcome }
    default:
      return undefined
  }
}

/**
 * Runs the command, and ends this process with its exit code; answers `false` where the program has to. `handOver` tells
 * why there is no token, or why the command could not be started.
 *
 * @since 0.1.0
 * @category execution
 */
export const main = async (
  args: ReadonlyArray<string>,
  handOver: (work: HandOver) => void
): Promise<boolean> => {
  const line = ExecLine.parse(args)
  const settings = line === undefined ? undefined : FastSettings.read(line, process.env)
  if (line === undefined || settings === undefined) return false
  // A variable that is set may come before the stored token; whether it counts is the program's to say.
  const isFromEnvironment = SourceVariables.of(line.tenant).some(({ name }) => process.env[name] !== undefined)
  if (isFromEnvironment && !line.storedOnly) return false

  const tell = (refusal: Told): true => {
    handOver({
      command: "exec",
      line: { home: line.home, format: "raw" },
      rejected: undefined,
      lock: undefined,
      refusal
    })
    return true
  }
  let found: Found
  try {
    found = await find(line, settings)
  } catch {
    return false
  }
  if (found === undefined) return false
  if ("refusal" in found) return tell(found.refusal)
  warn(found.token)
  const child = ChildRun.make(line.command, { [line.variable]: found.token.token })
  for (const signal of SIGNALS) process.on(signal, child.forward)
  child.start({
    onExit: (code) => process.exit(code),
    onError: (why) => {
      for (const signal of SIGNALS) process.off(signal, child.forward)
      tell({ _tag: "Told", error: { _tag: "UsageError", reason: "Arguments", ...why, exit_code: 2 } })
    }
  })
  return true
}
