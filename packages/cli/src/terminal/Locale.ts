/**
 * @since 0.1.0
 */

/**
 * Whether the locale of the environment is said to lack the characters of UTF-8 (POSIX: `LC_ALL`, then `LC_CTYPE`, then
 * `LANG`). A locale that is not said is no statement: containers and services have none, and terminals that show UTF-8.
 *
 * @since 0.1.0
 * @category guards
 */
export const isAscii = (env: Readonly<Record<string, string | undefined>>): boolean => {
  const locale = [env["LC_ALL"], env["LC_CTYPE"], env["LANG"]].find((value) => value !== undefined && value !== "")
  return locale !== undefined && (/^(C|POSIX)$/i.test(locale) || /\.(?!utf-?8)/i.test(locale))
}
