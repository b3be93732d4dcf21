/**
 * When the start of the command asks the keeper, and what becomes of the answer.
 *
 * @since 0.1.0
 */
import * as KeeperAddress from "@lockstep/serve/KeeperAddress"
import * as KeeperWire from "@lockstep/serve/KeeperWire"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type * as FastKeeper from "./FastKeeper.js"
import type { FastSettings } from "./FastSettings.js"

const nonEmpty = (text: string | undefined): string | undefined => text?.trim() === "" ? undefined : text

/**
 * The keeper that the environment names.
 *
 * @since 0.1.0
 * @category getters
 */
export const named = (env: NodeJS.ProcessEnv): string | undefined => nonEmpty(env[KeeperAddress.VARIABLE])

/**
 * Whether a home has, or had, a keeper. One system call.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isBeside = (home: string): boolean => {
  try {
    return Fs.lstatSync(Path.join(home, KeeperWire.SOCKET), { throwIfNoEntry: false }) !== undefined
  } catch {
    return false
  }
}

/**
 * What is asked of the keeper that was named, or of the home's own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const question = (
  settings: FastSettings,
  wish: Pick<FastKeeper.Question, "tenant" | "minTtl" | "rejected" | "leaveAfter">,
  env: NodeJS.ProcessEnv
): FastKeeper.Question => {
  const address = named(env)
  return {
    ...wish,
    margin: settings.isMarginSet ? settings.margin : undefined,
    address,
    keyFile: nonEmpty(env[KeeperAddress.KEY_VARIABLE]),
    home: address === undefined || settings.isHomeNamed ? settings.home : undefined,
    store: settings.store
  }
}
