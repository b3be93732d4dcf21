/**
 * Bodies that are read whole. The sender chooses how long a body is, and may never end it: so each is read within a
 * bound, and this is where they are read.
 *
 * @since 0.1.0
 */

/**
 * The longest document that is read, in bytes: answers of authorization servers, metadata, input of a person. They have a
 * few thousand.
 *
 * @since 0.1.0
 * @category defaults
 */
export const DOCUMENT_LIMIT = 1024 * 1024

/**
 * The longest message between programs that is read, in bytes or characters: a line, an event, or a body. Results of
 * tools hold files.
 *
 * @since 0.1.0
 * @category defaults
 */
export const MESSAGE_LIMIT = 64 * 1024 * 1024

/**
 * What was read, and how it ended. `Cut`: the connection ended inside the body. `TooLarge`: there is more than the limit,
 * and `text` holds what lies below it.
 *
 * @since 0.1.0
 * @category models
 */
export interface WholeBody {
  readonly text: string
  readonly end: "Whole" | "Cut" | "TooLarge"
}

/**
 * The part of a body that is used: one that is a `ReadableStream` fits.
 *
 * @since 0.1.0
 * @category models
 */
export type Readable =
  | {
    readonly getReader: () => {
      readonly read: () => Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
      readonly cancel?: () => Promise<unknown>
    }
  }
  | null
  | undefined

/**
 * Reads a body as UTF-8 to its end, or to the limit, and lets go of the rest. Never rejects.
 *
 * @since 0.1.0
 * @category combinators
 */
export const read = async (body: Readable, limit: number = DOCUMENT_LIMIT): Promise<WholeBody> => {
  const decoder = new TextDecoder()
  // Joined once: a text that grows piece by piece is kept as the tree of its pieces.
  const pieces: Array<string> = []
  const ended = (end: WholeBody["end"]): WholeBody => ({ text: pieces.join("") + decoder.decode(), end })
  if (body === null || body === undefined) return ended("Whole")
  const reader = body.getReader()
  let size = 0
  try {
    while (true) {
      const { done, value } = await reader.read()
      if (done || value === undefined) return ended("Whole")
      size += value.byteLength
      if (size > limit) {
        reader.cancel?.().catch(() => undefined)
        return ended("TooLarge")
      }
      pieces.push(decoder.decode(value, { stream: true }))
    }
  } catch {
    return ended("Cut")
  }
}
