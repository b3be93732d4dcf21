import * as FastCheck from "effect/FastCheck"

const { array, constantFrom, letrec, oneof, record, string, tuple } = FastCheck

/** White space as any editor may leave it. */
export const space = constantFrom("", "", " ", "\n", "\r\n", "\n\t", "  ")

/** Numbers that `JSON.parse` would change, and some that it would not. */
export const number = constantFrom(
  "18446744073709551615",
  "-0",
  "1.0",
  "1e3",
  "1E+2",
  "0.1000",
  "-12.5e-3",
  "9007199254740993",
  "1e999",
  "7"
)

/** A string in one of the many ways to write it. */
export const text = oneof(
  string({ unit: "binary", maxLength: 8 }).map((value) => JSON.stringify(value)),
  constantFrom("\"\\u0041\\/\"", "\"\\ud83d\\ude00\"", "\"}{,:[]\"", "\"\\\\\\\"\"", "\"\"", "\"é日\"")
)

const { value } = letrec<{ readonly value: string; readonly object: string; readonly array: string }>((tie) => ({
  value: oneof(
    { depthSize: "small", withCrossShrink: true },
    number,
    text,
    constantFrom("true", "false", "null"),
    tie("object"),
    tie("array")
  ),
  object: array(tuple(text, tie("value"), space, space), { maxLength: 3 }).map((members) =>
    `{${members.map(([name, value, a, b]) => `${a}${name}${b}:${a}${value}${b}`).join(",")}}`
  ),
  array: array(tuple(tie("value"), space), { maxLength: 3 }).map((items) =>
    `[${items.map(([value, a]) => `${a}${value}${a}`).join(",")}]`
  )
}))

/** Any JSON value as a text that another program wrote. */
export const anyValue: FastCheck.Arbitrary<string> = value

/** A member whose name is unknown here. Names may repeat. */
export const unknownMember = record({
  name: constantFrom("x", "x", "__proto__", "constructor", "tokens", "extra", "\\u0078"),
  value: anyValue
})

/** One small change to a text, so that it is often no JSON any more. */
export const mutated = (texts: FastCheck.Arbitrary<string>): FastCheck.Arbitrary<string> =>
  tuple(
    texts,
    FastCheck.nat({ max: 400 }),
    FastCheck.nat({ max: 2 }),
    constantFrom(
      ..."{}[],:\"\\/ \t\n\r\v\u00a0\uFEFF\u0000\u001f-+.0123eEtrufalsn'#"
    )
  ).map(([text, at, deleted, inserted]) => {
    const i = at % (text.length + 1)
    return text.slice(0, i) + inserted + text.slice(i + deleted)
  })
