/** Quotes a word where a shell would take it apart: a server's words end up in advice that people paste. */
export const shellWord = (text: string): string =>
  /^[\w.~+/:@%=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
