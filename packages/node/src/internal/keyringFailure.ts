/**
 * What a keyring means by its words. The binding throws one kind of error for everything, and only the message tells.
 */
import { KeyringError } from "../keyring/Keyring.js"

/** In this order: the first that matches counts. The texts behind each are in the test. */
const MEANINGS: ReadonlyArray<readonly [RegExp, KeyringError["reason"], string]> = [
  [/prompt was dismissed|is locked|IsLocked/i, "Locked", "it is locked, and was not unlocked"],
  [/interaction is not allowed|user canceled|passphrase you entered/i, "Locked", "it wants to be unlocked first"],
  [/longer than .*limit|too long|TooLong/i, "TooLarge", "it holds no entry of this size"],
  [/DBUS_SESSION_BUS_ADDRESS|autolaunch/i, "Absent", "this session has no D-Bus"],
  [/failed to connect to .*no such file/i, "Absent", "the D-Bus of this session is gone"],
  [/not provided by any \.service files|NameHasNoOwner/i, "Absent", "no Secret Service runs in this session"],
  [/no result found/i, "Unavailable", "the Secret Service has no collection to store in yet"],
  [/did not receive a reply|NoReply|timed? ?out/i, "Timeout", "it did not reply"],
  [/disconnected|connection (was )?(reset|closed)|broken pipe/i, "Unavailable", "it ended in the middle of a call"],
  [/UTF-8|ambiguous|bad encoding/i, "Unavailable", "it gave back something that Lockstep did not write"]
]

/**
 * Reads the message of a failed call. The message itself stays behind: it was written by another program, and
 * what that one quotes is unknown.
 */
export const classify = (message: string): KeyringError => {
  const meaning = MEANINGS.find(([pattern]) => pattern.test(message))
  if (meaning !== undefined) return new KeyringError({ reason: meaning[1], detail: meaning[2] })
  // The name of a D-Bus error is a fixed word.
  const name = /\borg\.freedesktop\.[A-Za-z]+(?:\.[A-Za-z]+)*\b/.exec(message)?.[0]
  return new KeyringError({ reason: "Unavailable", detail: name ?? "it failed" })
}
