/**
 * The seed of this run: another one each time, so that runs of many days see many texts, and printed, so that a run that
 * failed can be repeated with `LOCKSTEP_SEED`.
 */
import * as Mutations from "@lockstep/testkit/homes/Mutations"

const given = process.env["LOCKSTEP_SEED"]

const SEED = given === undefined ? 1 + Math.floor(Math.random() * (2 ** 31 - 2)) : Number(given)

if (!Number.isSafeInteger(SEED) || SEED < 1) {
  throw new Error(`LOCKSTEP_SEED is a whole number from 1, and not: ${given}`)
}

/** Says how to repeat this run. */
export const announce = (what: string): void => console.log(`${what}: LOCKSTEP_SEED=${SEED} repeats this run`)

/** The damage of a case. */
export const random = (i: number): Mutations.Random => Mutations.random(SEED * 1_000_003 + i)

/** What a case is known by. */
export const ofCase = (i: number): string => `LOCKSTEP_SEED=${SEED} case ${i}`
