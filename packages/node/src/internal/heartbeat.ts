/**
 * Says at intervals that the holder of a lock lives.
 *
 * The timer keeps no process alive: a process that has nothing else to do ends, and gives the lock back as it exits.
 */
import * as Duration from "effect/Duration"

/** Milliseconds until a beat that failed (a full disk, too many open files) is tried again. */
const RETRY = 1_000

/**
 * Beats until it is told to stop or `beat` answers that there is nothing to keep alive. What `beat` throws may pass; a
 * lock that could not be kept alive in time is found to be lost by the next beat that comes through.
 */
export const start = (
  { heartbeat }: { readonly heartbeat: Duration.Duration },
  beat: () => boolean
): () => void => {
  const interval = Duration.toMillis(heartbeat)
  const schedule = (delay: number) => setTimeout(turn, delay).unref()
  const turn = () => {
    let delay = interval
    try {
      if (!beat()) return
    } catch {
      delay = Math.min(interval, RETRY)
    }
    timer = schedule(delay)
  }
  let timer = schedule(interval)
  return () => clearTimeout(timer)
}
