import * as Fs from "node:fs"

/** Tests that need another user or a mount say so where the run has no right to them. */
export const isRoot = process.geteuid?.() === 0

const NOBODY = 65534

/** Runs something synchronous as a user without rights. Only root can. */
export const asNobody = <A>(run: () => A): A => {
  process.setegid!(NOBODY)
  process.seteuid!(NOBODY)
  try {
    return run()
  } finally {
    process.seteuid!(0)
    process.setegid!(0)
  }
}

/** Gives a path to that user. */
export const giveToNobody = (path: string): void => Fs.chownSync(path, NOBODY, NOBODY)

/** Runs something synchronous under a umask. */
export const withUmask = <A>(mask: number, run: () => A): A => {
  const before = process.umask(mask)
  try {
    return run()
  } finally {
    process.umask(before)
  }
}
