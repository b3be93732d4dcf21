/**
 * A certificate that no machine trusts, made on the spot: no key lies in the repository and nothing expires.
 *
 * @since 0.1.0
 */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto"

/**
 * A key and its certificate, PEM.
 *
 * @since 0.1.0
 * @category models
 */
export interface SelfSignedCertificate {
  readonly key: string
  readonly cert: string
}

const der = (tag: number, ...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const content = Buffer.concat(parts)
  const length = content.byteLength
  const header = length < 0x80
    ? [tag, length]
    : length < 0x100
    ? [tag, 0x81, length]
    : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Uint8Array.from(header), content])
}

const sequence = (...parts: ReadonlyArray<Uint8Array>) => der(0x30, ...parts)
const oid = (hex: string) => der(0x06, Buffer.from(hex, "hex"))
const time = (date: Date) => der(0x18, Buffer.from(date.toISOString().replace(/[-:T]/g, "").replace(/\.\d+Z$/, "Z")))

const ECDSA_SHA256 = sequence(oid("2a8648ce3d040302"))

/**
 * Makes a certificate for `localhost`, for the given further names and for 127.0.0.1, valid from yesterday on.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (...names: ReadonlyArray<string>): SelfSignedCertificate => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" })
  const name = sequence(der(0x31, sequence(oid("550403"), der(0x0c, Buffer.from("Lockstep test")))))
  const day = 86_400_000
  const alternatives = sequence(
    ...["localhost", ...names].map((host) => der(0x82, Buffer.from(host))),
    der(0x87, Uint8Array.from([127, 0, 0, 1]))
  )
  const body = sequence(
    der(0xa0, der(0x02, Uint8Array.from([2]))),
    der(0x02, Uint8Array.from([1]), randomBytes(8)),
    ECDSA_SHA256,
    name,
    sequence(time(new Date(Date.now() - day)), time(new Date(Date.now() + 7 * day))),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(
      0xa3,
      sequence(
        sequence(oid("551d11"), der(0x04, alternatives)),
        // Its own authority, so that it can be handed out as an extra CA.
        sequence(
          oid("551d13"),
          der(0x01, Uint8Array.from([0xff])),
          der(0x04, sequence(der(0x01, Uint8Array.from([0xff]))))
        )
      )
    )
  )
  const signature = der(0x03, Uint8Array.from([0]), sign("sha256", body, privateKey))
  const text = sequence(body, ECDSA_SHA256, signature).toString("base64").replace(/.{64}/g, "$&\n")
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`
  }
}
