/**
 * A fleet at work: hosts with a directory, a clock and a network of their own, workers that are real processes, logins whose
 * access tokens end all the time, and faults. What became of it is taken from the authorization server and from what the
 * workers said.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { join } from "node:path"
import type * as LeakCheck from "../LeakCheck.js"
import * as Bundle from "../processes/Bundle.js"
import type * as ChildProcess from "../processes/ChildProcess.js"
import * as HostIdentity from "../processes/HostIdentity.js"
import type { Message } from "../processes/LineProtocol.js"
import * as ProcessHarness from "../processes/ProcessHarness.js"
import * as SeededHome from "../processes/SeededHome.js"
import * as AuthorizationServer from "../servers/AuthorizationServer.js"
import * as TcpRelay from "../servers/TcpRelay.js"
import { fingerprint } from "../servers/TokenLedger.js"
import type { Backend, Contender } from "./Backend.js"
import * as Faults from "./Faults.js"
import * as Judgement from "./Judgement.js"

/**
 * The size of a fleet, and what is done to it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly hosts: number
  /** Over all hosts. */
  readonly workers: number
  readonly tenants: number
  /** How many redemptions it works for. */
  readonly redemptions: number
  /** Milliseconds after which it ends all the same. */
  readonly patience: number
  /** Milliseconds that workers have to end their work, and one more to ask for every login afterwards. Two minutes. */
  readonly closing?: number
  /** How long a refresh travels to the server, in milliseconds. */
  readonly latency: number
  readonly seed: number
  /** What is drawn from; nothing happens where it is empty. */
  readonly faults: ReadonlyArray<Faults.Kind>
  /** Milliseconds from one fault to the next, in the middle. */
  readonly every: number
  /** Milliseconds by which the clock of each host is ahead of the machine's, in turn. All agree, where there is none. */
  readonly clocks?: ReadonlyArray<number>
}

/**
 * A worker, and what became of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Worker {
  readonly pid: number
  readonly host: number
  readonly redeemed: number
  readonly adopted: number
  /** Milliseconds from the answer of the server until it had the token that another worker redeemed, one by one. */
  readonly delays: ReadonlyArray<number>
  /** Questions that were not answered with a token. */
  readonly failed: number
  /** What was done to it, in order. */
  readonly faults: ReadonlyArray<Faults.Kind>
}

/**
 * What became of a fleet.
 *
 * @since 0.1.0
 * @category models
 */
export interface Result extends Judgement.Judgement {
  readonly name: string
  readonly label: string
  readonly options: Options
  readonly workers: ReadonlyArray<Worker>
  /** How often each kind of fault came. */
  readonly faults: Readonly<Partial<Record<Faults.Kind, number>>>
  /** Logins that ended, and that a person had to make again. */
  readonly lost: number
  /** Tenants whose stored tokens the server honours at the end, for this very tenant. */
  readonly living: number
  /** Why questions were not answered, and how often. */
  readonly complaints: Readonly<Record<string, number>>
  /** Milliseconds from the first question to the end of the work. */
  readonly took: number
  readonly leaks: ReadonlyArray<LeakCheck.Leak>
  /** Workers that did not end when they were asked to, because they waited for what never came, and were killed. */
  readonly stuck: number
}

/** Seconds. Shorter than a provider's, so that a fleet refreshes all the time. */
const TTL = 1

/** Milliseconds in which a host may bring home what it has. */
const REST = 2_000

/** Milliseconds between two questions of a worker, at most. */
const PAUSE = 40

const monotonicOf = (message: Message): bigint => BigInt((message["at"] as { readonly monotonic: string }).monotonic)

interface Live {
  readonly child: ChildProcess.Child
  readonly host: number
}

const make = (contender: Contender, options: Options) =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.make({ latency: options.latency })
    const backend: Backend = yield* contender.start
    const harness = yield* ProcessHarness.make({
      secrets: () => [...server.ledger.secrets, ...backend.secrets]
    })
    const program = yield* Bundle.make(backend.entry)
    const networks = yield* Effect.replicateEffect(TcpRelay.make(backend.port), options.hosts)
    const tenants = Array.from({ length: options.tenants }, (_, index) => `agent-${index + 1}`)
    const reports: Array<Judgement.Report> = []
    const killed = new Map<number, bigint>()
    const suffered = new Map<number, Array<Faults.Kind>>()
    const ended = yield* Queue.unbounded<string>()
    const children: Array<Live> = []
    let spawned = 0

    const login = (tenant: string) =>
      Effect.flatMap(SeededHome.issue(server, tenant, { accessTokenTtl: TTL }), backend.login)

    const hear = (pid: number) => (message: Message): void => {
      if (!["sending", "kept", "served", "failed"].includes(String(message["event"]))) return
      reports.push({ ...message, pid, at: monotonicOf(message) } as unknown as Judgement.Report)
      if (message["login"] === true) ended.unsafeOffer(String(message["tenant"]))
    }

    const spawn = (host: number, once = false) =>
      Effect.gen(function*() {
        const setup = { tenants, pause: PAUSE, seed: options.seed + ++spawned, ...(once ? { once } : {}) }
        const name = `host-${host + 1}`
        const child = yield* harness.spawn({
          args: [...HostIdentity.args, program, JSON.stringify(setup)],
          env: {
            ...backend.env(join(harness.home, name), networks[host]!.port),
            ...HostIdentity.env(name, options.clocks?.[host % options.clocks.length])
          }
        })
        yield* child.listen(hear(child.pid))
        children.push({ child, host })
        return { child, host }
      })

    return { server, backend, harness, networks, tenants, reports, killed, suffered, ended, children, login, spawn }
  })

type Stage = Effect.Effect.Success<ReturnType<typeof make>>

/** Does what a fault is, from its beginning to the end of it. */
const strike = (stage: Stage, live: Array<Live>, { kind, lasts, worker }: Faults.Fault) =>
  Effect.gen(function*() {
    const { child, host } = live[worker]!
    const network = stage.networks[host]!
    stage.suffered.set(child.pid, [...stage.suffered.get(child.pid) ?? [], kind])
    switch (kind) {
      case "kill":
        stage.killed.set(child.pid, process.hrtime.bigint())
        yield* child.signal("SIGKILL")
        yield* child.exit
        live[worker] = yield* stage.spawn(host)
        return
      case "freeze":
        yield* child.signal("SIGSTOP")
        yield* Effect.sleep(lasts)
        yield* child.signal("SIGCONT")
        return
      case "drop":
        return yield* stage.backend.drop(child.pid)
      case "cut":
      case "stall":
      case "deafen":
      case "halfClose": {
        const state = { cut: "cut", stall: "stalled", deafen: "deaf", halfClose: "halfClosed" } as const
        yield* network.become(state[kind])
        yield* Effect.sleep(lasts)
        yield* network.become("open")
      }
    }
  })

/** Strikes until it is interrupted. A host has one fault at a time, and is left alone for a while after it. */
const trouble = (stage: Stage, live: Array<Live>, options: Options, count: (kind: Faults.Kind) => void) =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const troubled = new Map<number, Fiber.RuntimeFiber<void, ChildProcess.EndedEarly>>()
    const again: Effect.Effect<never> = Effect.gen(function*() {
      const fault = yield* Faults.next(options.faults, { every: options.every, workers: options.workers })
      yield* Effect.sleep(fault.after)
      const { host } = live[fault.worker]!
      if (!troubled.has(host)) {
        count(fault.kind)
        const struck = Effect.zipRight(Scope.extend(strike(stage, live, fault), scope), Effect.sleep(REST))
        const fiber = yield* Effect.forkIn(struck, scope)
        troubled.set(host, fiber)
        fiber.addObserver(() => troubled.delete(host))
      }
      return yield* again
    })
    yield* Effect.onInterrupt(
      options.faults.length === 0 ? Effect.never : again,
      () => Effect.asVoid(Fiber.awaitAll([...troubled.values()]))
    )
  })

/** A person that logs in again where a login has ended. Another worker may have said so before. */
const person = (stage: Stage, onLost: (tenant: string, fingerprint: string) => void) =>
  Effect.forever(Effect.gen(function*() {
    const tenant = yield* Queue.take(stage.ended)
    const { refresh_token } = yield* stage.backend.stored(tenant)
    if (yield* stage.server.isActive(refresh_token)) return
    onLost(tenant, fingerprint(refresh_token))
    yield* stage.login(tenant)
  }))

const NANOS = 1_000_000

const workersOf = (stage: Stage): ReadonlyArray<Worker> => {
  const { redemptions } = stage.server.ledger
  const senders = new Map(
    stage.reports.flatMap((report) => report.event === "sending" ? [[report.fingerprint, report.pid]] : [])
  )
  const grants = new Map(redemptions.map((one) => [one.accessToken, one]))
  return stage.children.map(({ child: { pid }, host }) => {
    const own = stage.reports.filter((report) => report.pid === pid)
    const served = own.flatMap((report) => {
      const grant = report.event === "served" ? grants.get(report.token) : undefined
      return grant === undefined ? [] : [{
        isOwn: senders.get(grant.fingerprint) === pid,
        delay: Number(report.at - grant.at.monotonic) / NANOS
      }]
    })
    return {
      pid,
      host: host + 1,
      redeemed: redemptions.filter(({ fingerprint }) => senders.get(fingerprint) === pid).length,
      adopted: served.filter(({ isOwn }) => !isOwn).length,
      delays: served.filter(({ isOwn }) => !isOwn).map(({ delay }) => delay),
      failed: own.filter(({ event }) => event === "failed").length,
      faults: stage.suffered.get(pid) ?? []
    }
  })
}

const CLOSING = 120_000

/** Waits for what a worker does; one that does not in time is killed. Answers whether it did. */
const inTime = <A, E>(stage: Stage, child: ChildProcess.Child, done: Effect.Effect<A, E>, within: number) =>
  Effect.gen(function*() {
    const isDone = Option.isSome(yield* Effect.timeoutOption(done, within))
    if (!isDone) {
      stage.killed.set(child.pid, process.hrtime.bigint())
      yield* child.signal("SIGKILL")
      yield* child.exit
    }
    return isDone
  })

/** Whether what is stored of a tenant is what the server honours for this very tenant. */
const lives = ({ backend, server }: Stage, tenant: string) =>
  Effect.gen(function*() {
    const { access_token, refresh_token } = yield* backend.stored(tenant)
    const { sub } = yield* server.introspect(access_token)
    return (yield* server.isActive(refresh_token)) && (sub === undefined || sub === tenant)
  })

/**
 * Lets a fleet work, and judges it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = (
  contender: Contender,
  options: Options
): Effect.Effect<Result, ChildProcess.EndedEarly, Scope.Scope> =>
  Effect.gen(function*() {
    const stage = yield* make(contender, options)
    const { ledger } = stage.server
    yield* Effect.forEach(stage.tenants, stage.login, { concurrency: 4, discard: true })
    const live = yield* Effect.forEach(
      Array.from({ length: options.workers }, (_, index) => index % options.hosts),
      (host) => stage.spawn(host),
      { concurrency: 4 }
    )
    const began = performance.now()
    const counts: Partial<Record<Faults.Kind, number>> = {}
    const lost: Array<{ readonly tenant: string; readonly fingerprint: string }> = []
    yield* Effect.forkScoped(person(stage, (tenant, token) => void lost.push({ tenant, fingerprint: token })))
    const faults = yield* Effect.fork(trouble(stage, live, options, (kind) => {
      counts[kind] = (counts[kind] ?? 0) + 1
    }))
    yield* Effect.sync(() => ledger.redemptions.length >= options.redemptions).pipe(
      Effect.repeat({ until: (done) => done, schedule: Schedule.spaced("20 millis") }),
      Effect.timeoutOption(options.patience)
    )
    yield* Fiber.interrupt(faults)
    const took = performance.now() - began
    const closing = options.closing ?? CLOSING
    const ends = yield* Effect.forEach(live, ({ child }) =>
      inTime(stage, child, Effect.zipRight(child.closeStdin, child.exit), closing), {
      concurrency: "unbounded"
    })

    // One more worker asks for all of them, once nothing happens any more.
    const { child: last } = yield* stage.spawn(0, true)
    const asked = Effect.zipRight(
      last.message(({ event }) =>
        event === "ended"
      ),
      last.closeStdin
    )
    const isLast = yield* inTime(stage, last, asked, closing)
    yield* last.exit
    const living = yield* Effect.forEach(stage.tenants, (tenant) => lives(stage, tenant))

    const complaints: Record<string, number> = {}
    for (const report of stage.reports) {
      if (report.event === "failed") complaints[report.what] = (complaints[report.what] ?? 0) + 1
    }
    return {
      name: contender.name,
      label: contender.label,
      options,
      ...Judgement.of(ledger, stage.reports, {
        hosts: new Map(stage.children.map(({ child, host }) => [child.pid, host])),
        killed: stage.killed,
        lost,
        wait: stage.backend.wait
      }),
      workers: workersOf(stage),
      faults: counts,
      lost: lost.length,
      living: living.filter(Boolean).length,
      complaints,
      took,
      stuck: [...ends, isLast].filter((isEnded) => !isEnded).length,
      leaks: yield* stage.harness.leaks
    }
  }).pipe(Effect.withRandom(Random.make(options.seed)))
