/**
 * The keeper of the home: whether one is there, and whether it answers.
 *
 * @since 0.1.0
 */
import * as ShellWord from "@lockstep/core/ShellWord"
import * as FileAgentKeys from "@lockstep/node/FileAgentKeys"
import { NativeHome } from "@lockstep/node/stores/ResolvedHome"
import * as KeeperAddress from "@lockstep/serve/KeeperAddress"
import * as KeeperAsk from "@lockstep/serve/KeeperAsk"
import * as KeeperNote from "@lockstep/serve/KeeperNote"
import * as KeeperWire from "@lockstep/serve/KeeperWire"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Finding from "./Finding.js"

const GONE = ["ECONNREFUSED", "ENOENT"]

const found = (
  reply: KeeperAsk.Reply,
  address: KeeperAddress.KeeperAddress,
  note: KeeperNote.KeeperNote | undefined
): Finding.Finding => {
  const place = KeeperAddress.format(address)
  const process = note === undefined ? "a process" : `process ${note.pid}`
  if (reply._tag === "Answered") {
    return Finding.remark(
      "keeper",
      `${process} keeps the logins of this home, at ${place}`,
      "see what it answered in the audit, or end it with SIGTERM; no command needs it"
    )
  }
  const code = reply._tag === "Gone" ? reply.code : "ETIMEDOUT"
  return GONE.includes(code)
    ? Finding.remark(
      "keeper_gone",
      `a keeper was killed and left its socket, at ${place}`,
      "start it again with `lockstep serve`; commands do without it meanwhile"
    )
    : Finding.problem(
      "keeper_silent",
      `the keeper does not answer (${code}), at ${place}: commands wait for it for a moment, and then do without it`,
      note === undefined
        ? "end it, and start it again with `lockstep serve`"
        : `continue it with \`kill -CONT ${note.pid}\`, or end it and start another one with \`lockstep serve\``
    )
}

/**
 * Asks the home's own keeper for nothing of worth, and looks whether the keys of agents can be read.
 *
 * @since 0.1.0
 * @category checks
 */
export const check = Effect.gen(function*() {
  const { home: { directory } } = yield* NativeHome
  const address = KeeperAddress.ofHome(directory)
  const findings: Array<Finding.Finding> = []
  if (address !== undefined) {
    const reply = yield* Effect.promise(() =>
      KeeperAsk.ask({
        address,
        method: "GET",
        path: KeeperWire.ALIVE,
        headers: { [KeeperWire.CLIENT]: "lockstep-doctor" }
      })
    )
    findings.push(found(reply, address, KeeperNote.read(directory)))
  }
  const keys = FileAgentKeys.reader(directory)()
  if (Either.isLeft(keys)) {
    findings.push(Finding.problem(
      "agent_keys",
      `${keys.left.message}: no agent's key opens anything`,
      `repair it, or remove it with \`rm ${ShellWord.quote(keys.left.location)}\` and make the keys anew`
    ))
  }
  return { check: "keeper", findings } satisfies Finding.Checked
})
