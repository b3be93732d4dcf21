/**
 * A process that uses the product as an agent does: the real home, the real locks, the real token endpoint. It does
 * what it is told on stdin and reports, as JSON lines on stdout, every step of a refresh and every outcome. Run as
 * `node worker.mjs SETUP`, with `SETUP` as JSON.
 *
 * @since 0.1.0
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Credential from "@lockstep/core/Credential"
import * as CredentialWriter from "@lockstep/core/CredentialWriter"
import { Custody } from "@lockstep/core/Custody"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import { Change, WritableStore } from "@lockstep/core/WritableStore"
import * as FileHome from "@lockstep/node/FileHome"
import * as Keyring from "@lockstep/node/keyring/Keyring"
import * as KeyringHome from "@lockstep/node/keyring/KeyringHome"
import * as KeyringTimeout from "@lockstep/node/keyring/KeyringTimeout"
import * as NativeKeyring from "@lockstep/node/keyring/NativeKeyring"
import * as NodeRoundTripper from "@lockstep/node/NodeRoundTripper"
import * as SecretsHome from "@lockstep/node/secrets/SecretsHome"
import * as Stores from "@lockstep/node/stores/Stores"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import { RoundTripper } from "@lockstep/oauth/RoundTripper"
import * as PostgresCredentialStore from "@lockstep/postgres/PostgresCredentialStore"
import * as PostgresHome from "@lockstep/postgres/PostgresHome"
import { PostgresSession } from "@lockstep/postgres/PostgresSession"
import * as PostgresStore from "@lockstep/postgres/PostgresStore"
import { Spool } from "@lockstep/postgres/Spool"
import * as SpoolDelivery from "@lockstep/postgres/SpoolDelivery"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as bearerCalls from "../internal/bearerCalls.js"
import * as codeLogin from "../internal/codeLogin.js"
import { fingerprint } from "../servers/TokenLedger.js"
import * as LineProtocol from "./LineProtocol.js"
import * as StepTracer from "./StepTracer.js"
import * as WorkerCommand from "./WorkerCommand.js"

const decodeCredential = Schema.decodeUnknown(Credential.Credential)

/** Names a secret without telling it. */
const named = (secret: Option.Option<Redacted.Redacted>): string | null =>
  Option.match(secret, { onNone: () => null, onSome: (token) => fingerprint(Redacted.value(token)) })

const describe = (stored: Option.Option<Credential.Stored>) =>
  Option.match(stored, {
    onNone: () => null,
    onSome: ({ credential }) => ({
      generation: credential.generation,
      account: Option.getOrNull(Credential.accountId(credential)),
      accessToken: named(credential.accessToken),
      refreshToken: named(credential.refreshToken)
    })
  })

/** A process that shares a database brings home what waits in the spool of its host, as the command does. */
const delivered = Effect.gen(function*() {
  const session = yield* Effect.serviceOption(PostgresSession)
  const spool = yield* Effect.serviceOption(Spool)
  if (Option.isNone(session) || Option.isNone(spool)) return
  yield* Layer.build(SpoolDelivery.layer).pipe(
    Effect.provideService(PostgresSession, session.value),
    Effect.provideService(Spool, spool.value)
  )
})

const make = Effect.gen(function*() {
  yield* delivered
  const coordinator = yield* RefreshCoordinator.RefreshCoordinator
  const writer = yield* CredentialWriter.CredentialWriter
  const store = yield* WritableStore
  const custody = yield* Custody
  const policy = yield* RefreshPolicy.RefreshPolicy
  const running = yield* FiberMap.make<string>()

  const execute = (id: string, command: WorkerCommand.WorkerCommand): Effect.Effect<unknown, unknown> => {
    switch (command._tag) {
      case "AccessToken":
        return Effect.map(
          coordinator.accessToken(
            TenantId.make(command.tenant),
            command.minTtl === undefined ? {} : { minTtl: command.minTtl }
          ),
          ({ generation, token }) => ({ generation, accessToken: named(Option.some(token)) })
        )
      case "Recover":
        return Effect.map(
          coordinator.recover(TenantId.make(command.tenant), Redacted.make(command.rejected)),
          ({ generation, token }) => ({ generation, accessToken: named(Option.some(token)) })
        )
      case "Refresh":
        return Effect.map(
          coordinator.refresh(TenantId.make(command.tenant), { acceptRisk: command.acceptRisk }),
          ({ by, rotated, token }) => ({
            by,
            rotated,
            generation: token.generation,
            accessToken: named(Option.some(token.token))
          })
        )
      case "Put":
        return Effect.flatMap(
          // A ParseError quotes what it could not read, and that may be a token.
          Effect.mapError(decodeCredential(command.credential), () => "the credential of the command does not decode"),
          (credential) =>
            Effect.map(
              writer.put(TenantId.make(command.tenant), credential, { replace: command.replace, note: "import" }),
              (stored) => describe(Option.some(stored))
            )
        )
      case "Login":
        return Effect.flatMap(codeLogin.begin(command), ({ exchange, like }) =>
          Effect.map(
            writer.login(TenantId.make(command.tenant), exchange, { replace: command.replace, like }),
            ({ replaced, stored }) => ({
              ...describe(Option.some(stored)),
              replaced: Option.match(replaced, { onNone: () => null, onSome: ({ generation }) => generation })
            })
          ))
      case "Remove":
        return Effect.map(
          writer.remove(TenantId.make(command.tenant), { revoke: command.revoke }),
          ({ removed, revoked }) => ({ removed, revoked: revoked._tag })
        )
      case "Read":
        return Effect.map(store.get(TenantId.make(command.tenant)), describe)
      case "Hold":
        return Effect.scoped(Effect.zipRight(
          custody.hold(TenantId.make(command.tenant), { timeout: policy.lockTimeout }),
          Effect.zipRight(Effect.sync(() => LineProtocol.say("held", { id })), Effect.never)
        ))
      case "ModifyMany": {
        const once = Effect.forEach(
          command.tenants,
          (tenant) =>
            store.modify(TenantId.make(tenant), (current) =>
              Option.match(current, {
                onNone: () => Change.Keep({ value: false }),
                onSome: ({ credential }) =>
                  Change.Put({
                    credential: Credential.Credential.make({ ...credential, generation: credential.generation + 1 }),
                    value: () => true
                  })
              }))
        )
        return Effect.map(Effect.replicateEffect(once, command.count), (rounds) => ({
          written: rounds.flat().filter(Boolean).length
        }))
      }
      case "Request":
        return Effect.provideService(
          bearerCalls.request(command),
          RefreshCoordinator.RefreshCoordinator,
          coordinator
        )
      case "Events":
        return Effect.provideService(bearerCalls.events(command), RefreshCoordinator.RefreshCoordinator, coordinator)
      case "Cancel":
        return Effect.as(FiberMap.remove(running, command.command), null)
    }
  }

  const report = (id: string, exit: Exit.Exit<unknown, unknown>) =>
    Effect.sync(() => {
      if (Exit.isSuccess(exit)) return LineProtocol.say("done", { id, result: exit.value })
      if (Cause.isInterruptedOnly(exit.cause)) return LineProtocol.say("cancelled", { id })
      const failure = Option.getOrUndefined(Cause.failureOption(exit.cause))
      const members = failure instanceof Error
        ? { ...failure, message: failure.message }
        : { message: Cause.pretty(exit.cause) }
      return LineProtocol.say("failed", { id, error: members })
    })

  const accept = ({ command, id }: typeof WorkerCommand.Request.Type) =>
    Effect.zipRight(
      Effect.sync(() => LineProtocol.say("accepted", { id })),
      FiberMap.run(running, id, Effect.onExit(execute(id, command), (exit) => report(id, exit)))
    )

  yield* Effect.forkScoped(
    Stream.runForEach(coordinator.changes, (change) => Effect.sync(() => LineProtocol.say("change", { change })))
  )
  yield* Effect.sync(() => LineProtocol.say("started", { pid: process.pid }))

  const fibers = yield* LineProtocol.messages.pipe(
    Stream.mapEffect(Schema.decodeUnknown(WorkerCommand.Request)),
    Stream.mapEffect(accept),
    Stream.runCollect,
    Effect.orDie
  )
  yield* Fiber.awaitAll(fibers)
})

const { keyringHelper, stop, store = "file" } = Schema.decodeSync(Schema.parseJson(WorkerCommand.Setup))(
  process.argv[2] ?? "{}"
)

const report = (step: StepTracer.Step): void => {
  if (step.name.startsWith("lockstep.")) {
    LineProtocol.say("step", { name: step.name, step: step.at, within: step.within, attributes: step.attributes })
  }
}
const halt = stop === undefined ? () => {} : StepTracer.signalSelfAt(stop, stop.signal)

const keyring = keyringHelper === undefined ? NativeKeyring.layer : Layer.scoped(
  Keyring.Keyring,
  Effect.flatMap(
    KeyringTimeout.config,
    (timeout) => NativeKeyring.make({ timeout, command: [process.execPath, keyringHelper] })
  )
)

const home = () => {
  switch (store) {
    case "file":
      return FileHome.layer()
    case "keyring":
      return Layer.provide(KeyringHome.layer(), keyring)
    case "secrets":
      return Layer.provide(SecretsHome.layer(), keyring)
    case "postgres":
      return Layer.provideMerge(Layer.effect(WritableStore, PostgresCredentialStore.make), PostgresHome.layer())
  }
}

const { limits } = store === "postgres" ? PostgresStore.store : Stores.find(store)!

// The tracer lies below everything: the coordinator runs its flights with the context that it was built in.
const services = Layer.mergeAll(RefreshCoordinator.layer, CredentialWriter.layer).pipe(
  Layer.provideMerge(Layer.mergeAll(
    home(),
    Layer.provide(
      OAuthTokenEndpoint.layerBuiltIn,
      Layer.effect(RoundTripper, Effect.map(NodeRoundTripper.make, ({ load }) => RoundTripper.of({ load })))
    )
  )),
  Layer.provideMerge(Layer.unwrapEffect(Effect.map(limits, RefreshPolicy.layerFromEnvFor))),
  Layer.provideMerge(StepTracer.layer((step) => {
    report(step)
    halt(step)
  })),
  Layer.provideMerge(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger)))
)

NodeRuntime.runMain(Effect.scoped(Effect.provide(make, services)))
