/**
 * A `fetch` for a program that knows nothing of Effect: every request has a fresh token, is repeated once when the token
 * is rejected, and shares its login with every other process on this machine.
 *
 * Log in before: `lockstep login https://api.example/mcp`, or any other tenant; its name and its API are below.
 */
import { LockstepError, open } from "lockstep"

const lockstep = await open()

const api = lockstep.fetch({
  tenant: "codex",
  origins: ["https://api.example"],
  // Bounds the sending. A signal would count the refresh before it, too.
  timeout: "30 seconds"
})

try {
  const response = await api("https://api.example/v1/models", { headers: { accept: "application/json" } })
  process.stdout.write(`${response.status} ${await response.text()}\n`)
} catch (error) {
  // What went wrong with the token tells what to do about it; everything else is what `fetch` rejects with.
  if (!(error instanceof LockstepError)) throw error
  process.stderr.write(`${error.message}\n${error.advice}\n`)
  process.exitCode = 1
} finally {
  // A refresh that is under way is waited for: what was redeemed is stored.
  await lockstep.close()
}
