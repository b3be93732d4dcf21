/**
 * Words that a shell reads back as they were.
 *
 * @since 0.1.0
 */

/**
 * Quotes a word where a shell would take it apart.
 *
 * @since 0.1.0
 * @category rendering
 */
export const quote = (text: string): string =>
  /^[\w.~+/:@%=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
