import type { Adapter, AdapterPayload } from "oidc-provider"

/**
 * Storage of `oidc-provider` that forgets nothing. Its own one is an LRU of 1,000 entries, which in a long run evicts
 * grants and makes living tokens look revoked. A forgiving one remembers of no refresh token that it was exchanged.
 */
export const make = ({ forgiving }: { readonly forgiving: boolean }): (model: string) => Adapter => {
  const models = new Map<string, Map<string, AdapterPayload>>()
  const recordsOf = (model: string) => {
    const known = models.get(model)
    if (known !== undefined) return known
    const records = new Map<string, AdapterPayload>()
    models.set(model, records)
    return records
  }
  // One index for all models: revoking a login ends its tokens of every kind.
  const byGrant = new Map<string, Array<{ readonly model: string; readonly id: string }>>()

  return (model) => {
    const records = recordsOf(model)
    const findBy = async (member: "uid" | "userCode", value: string) => {
      for (const payload of records.values()) if (payload[member] === value) return payload
      return undefined
    }
    return {
      upsert: async (id, payload) => {
        if (!records.has(id) && payload.grantId !== undefined) {
          const members = byGrant.get(payload.grantId)
          if (members === undefined) byGrant.set(payload.grantId, [{ model, id }])
          else members.push({ model, id })
        }
        records.set(id, payload)
      },
      find: async (id) => records.get(id),
      findByUid: (uid) => findBy("uid", uid),
      findByUserCode: (userCode) => findBy("userCode", userCode),
      consume: async (id) => {
        if (forgiving && model === "RefreshToken") return
        const payload = records.get(id)
        if (payload !== undefined) records.set(id, { ...payload, consumed: Math.floor(Date.now() / 1000) })
      },
      destroy: async (id) => {
        records.delete(id)
      },
      revokeByGrantId: async (grantId) => {
        for (const member of byGrant.get(grantId) ?? []) {
          if (member.model === model) models.get(model)?.delete(member.id)
        }
      }
    }
  }
}
