/**
 * The second process of the doctor's lock check: tries the lock of one file, and once more when it is told that it is free.
 *
 * @since 0.1.0
 */
import * as OneTry from "@lockstep/node/locks/OneTry"
import * as Fs from "node:fs"
import * as Probe from "./doctor/Probe.js"

const ANSWERS = { Acquired: "acquired", Busy: "busy", Failed: "failed" } as const

const attempt = async (): Promise<Probe.Answer> => ANSWERS[await OneTry.make(process.argv[2] ?? "")]

const main = async (): Promise<void> => {
  const first = await attempt()
  if (first !== "busy") process.exit(Probe.codeOf(first))
  Fs.writeSync(1, "\n")
  // Waits without a stream: this process does nothing else.
  Fs.readFileSync(0)
  process.exit(Probe.codeOf(await attempt()))
}

void main()
