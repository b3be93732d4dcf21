/**
 * What a host name means to this machine. Two questions with two answers: whether it is on this machine for certain, so that
 * plain http to it reveals nothing to a network; and whether it may lead to this machine under any name, so that a server
 * elsewhere has no business naming it.
 *
 * Host names are taken as `URL.hostname` writes them: in lower case, IPv4 in four decimal parts whatever it was written as,
 * IPv6 compressed and in brackets.
 *
 * @since 0.1.0
 */

type Parts = readonly [number, number, number, number]

const EXACT = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

/** RFC 6761 section 6.3, and what distributions write into their list of hosts. */
const NAMES = /^(?:(?:.+\.)?localhost|localhost6?\.localdomain6?|localhost6|ip6-(?:localhost|loopback))$/

/** The services that hand out a machine's own credentials where they are not link-local. */
const METADATA = new Set(["metadata.google.internal", "metadata.goog", "100.100.100.200", "168.63.129.16"])

const withoutRoot = (hostname: string): string => hostname.toLowerCase().replace(/\.+$/, "")

const groupsOf = (hostname: string): ReadonlyArray<number> | undefined => {
  if (!hostname.startsWith("[")) return undefined
  const [head = "", tail] = hostname.slice(1, -1).split("::")
  const read = (text: string) => text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16))
  const first = read(head)
  const last = read(tail ?? "")
  return [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last]
}

const isZero = (groups: ReadonlyArray<number>): boolean => groups.every((group) => group === 0)

/** ::/96 and ::ffff:0:0/96 (RFC 4291 section 2.5.5), 64:ff9b::/96 (RFC 6052): an IPv4 address in another dress. */
const isDress = (groups: ReadonlyArray<number>): boolean =>
  (isZero(groups.slice(0, 5)) && (groups[5] === 0 || groups[5] === 0xffff)) ||
  (groups[0] === 0x64 && groups[1] === 0xff9b && isZero(groups.slice(2, 6)))

const partsOf = (hostname: string): Parts | undefined => {
  const groups = groupsOf(hostname)
  if (groups !== undefined) {
    const [high = 0, low = 0] = groups.slice(6)
    return isDress(groups) ? [high >> 8, high & 0xff, low >> 8, low & 0xff] : undefined
  }
  const parts = withoutRoot(hostname).split(".").map((part) => /^\d{1,3}$/.test(part) ? Number(part) : Number.NaN)
  const [a = Number.NaN, b = Number.NaN, c = Number.NaN, d = Number.NaN] = parts
  return parts.length === 4 && !parts.some(Number.isNaN) ? [a, b, c, d] : undefined
}

/**
 * Whether a host is this machine for certain: `localhost`, 127.0.0.0/8 and ::1, and nothing that a resolver could send
 * elsewhere.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isLoopback = (hostname: string): boolean => EXACT.test(hostname)

/**
 * Whether a host may be this machine: loopback, the unspecified address (which connects to it), and every further name of
 * both.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isThisMachine = (hostname: string): boolean => {
  const parts = partsOf(hostname)
  // `::` and `::1` read as 0.0.0.0 and 0.0.0.1.
  return parts === undefined ? NAMES.test(withoutRoot(hostname)) : parts[0] === 127 || parts[0] === 0
}

/**
 * Whether a host is link-local (169.254.0.0/16, fe80::/10) or the metadata service of a cloud, which gives a machine's own
 * credentials to whatever process asks it. No authorization server is there.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isLinkLocal = (hostname: string): boolean => {
  const [a, b] = partsOf(hostname) ?? []
  const groups = groupsOf(hostname)
  return (a === 169 && b === 254) ||
    METADATA.has(partsOf(hostname)?.join(".") ?? withoutRoot(hostname)) ||
    (groups !== undefined && ((groups[0]! & 0xffc0) === 0xfe80 || hostname === "[fd00:ec2::254]"))
}
