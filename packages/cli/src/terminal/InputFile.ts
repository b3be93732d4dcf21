/**
 * A file that a person names. It may be a pipe of the shell, and then it has no size; or a device, and then no end.
 *
 * @since 0.1.0
 */
import { createReadStream } from "node:fs"

/**
 * Reads a file to its end; `undefined` where there are more than `limit` bytes. Rejects with an errno.
 *
 * @since 0.1.0
 * @category combinators
 */
export const read = async (path: string, limit: number): Promise<Buffer | undefined> => {
  const chunks: Array<Buffer> = []
  // The last byte that is read is the first that is too many.
  for await (const chunk of createReadStream(path, { end: limit })) chunks.push(chunk as Buffer)
  const bytes = Buffer.concat(chunks)
  return bytes.length > limit ? undefined : bytes
}
