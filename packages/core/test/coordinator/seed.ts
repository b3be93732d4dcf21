/**
 * The seed of this run: another one each time, so that runs of many days see many schedules, and printed, so that a run
 * that failed can be repeated with `LOCKSTEP_SEED`.
 */
import * as process from "node:process"

const given = process.env["LOCKSTEP_SEED"]

/** Between 1 and 2³¹ - 1: what fast-check and the simulation both take. */
export const SEED = given === undefined ? 1 + Math.floor(Math.random() * (2 ** 31 - 2)) : Number(given)

if (!Number.isSafeInteger(SEED) || SEED < 1 || SEED >= 2 ** 31) {
  throw new Error(`LOCKSTEP_SEED is a whole number from 1 to ${2 ** 31 - 1}, and not: ${given}`)
}

/** Says how to repeat this run, with the variables that it depends on. */
export const announce = (what: string, others = ""): void =>
  console.log(`${what}: LOCKSTEP_SEED=${SEED}${others} repeats this run`)
