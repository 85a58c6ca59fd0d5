import type { AccountSpace, MessageTracer } from '../broker/index.ts'
import type { ArrivalTracer } from '../link/index.ts'

/** Traces of what comes over links, by the tracer that clients have. */
export function linkTraces(
  tracer: MessageTracer,
  spaceOf: (account: string) => AccountSpace,
): ArrivalTracer {
  return {
    followsTraceParent: (account) => tracer.followsTraceParent(account),
    publish({ account, origin, mappedFrom }, publication, options) {
      const ingress = {
        peer: origin,
        name: origin.remoteName,
        account,
        ...(origin.mayPublish && { mayPublish: (to: string) => origin.mayPublish?.(to) ?? true }),
        ...(mappedFrom && { mappedFrom: Buffer.from(mappedFrom).toString() }),
      }
      return tracer.publish(spaceOf(account), ingress, publication, options) !== undefined
    },
  }
}
