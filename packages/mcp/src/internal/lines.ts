import * as WholeBody from "@lockstep/core/WholeBody"

/** Cuts a text that comes in pieces into lines. A line of many pieces is put together once, when it is whole. */
export interface Lines {
  /** The lines that this piece completes, without their ends: LF, CR LF or CR. */
  readonly push: (piece: string) => ReadonlyArray<string>
  /** What came after the last line end. */
  readonly rest: () => string
}

/** No line may be longer than this, in UTF-16 units; a sender without line ends would fill the memory. */
export const LONGEST = WholeBody.MESSAGE_LIMIT

export class LineTooLong extends Error {
  override readonly name = "LineTooLong"
}

export const make = (longest = LONGEST): Lines => {
  let pieces: Array<string> = []
  let length = 0
  let afterCr = false
  const take = (last: string): string => {
    const line = pieces.length === 0 ? last : pieces.join("") + last
    pieces = []
    length = 0
    return line
  }
  return {
    push: (piece) => {
      const lines: Array<string> = []
      let from = 0
      // The other half of a line end that lies over two pieces.
      if (afterCr && piece.startsWith("\n")) from = 1
      if (piece !== "") afterCr = piece.endsWith("\r")
      const ends = /\r\n|\n|\r/g
      ends.lastIndex = from
      for (let end = ends.exec(piece); end !== null; end = ends.exec(piece)) {
        lines.push(take(piece.slice(from, end.index)))
        from = ends.lastIndex
      }
      if (from < piece.length) {
        const left = piece.slice(from)
        length += left.length
        if (length > longest) throw new LineTooLong(`a line is longer than ${longest} characters`)
        pieces.push(left)
      }
      return lines
    },
    rest: () => take("")
  }
}
