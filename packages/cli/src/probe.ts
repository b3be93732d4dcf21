/**
 * The second process of the doctor's lock check: tries the lock of one file once, and ends.
 *
 * @since 0.1.0
 */
import * as OneTry from "@lockstep/node/locks/OneTry"
import * as Probe from "./doctor/Probe.js"

const ANSWERS = { Acquired: "acquired", Busy: "busy", Failed: "failed" } as const

void OneTry.make(process.argv[2] ?? "").then((attempt) => process.exit(Probe.codeOf(ANSWERS[attempt])))
