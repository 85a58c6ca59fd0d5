import type { PermissionsConfig } from '../config/index.ts'

/**
 * What one user may publish and subscribe to, compiled. Answers to subjects are remembered by whoever
 * asks often: the router does, per route.
 */
export interface Permissions {
  readonly config: PermissionsConfig
  /** False: every subject may be published to, nobody need ask. */
  readonly restrictsPublish: boolean
  mayPublish(subject: string): boolean
  /** @param queue '' for a plain subscription */
  maySubscribe(subject: string, queue: string): boolean
  /** A wildcard subscription that was let in may still match denied subjects: ask `mayReceive` for each. */
  filtersDeliveries(subject: string, queue?: string): boolean
  mayReceive(subject: string, queue?: string): boolean
  /** Publishing to the replies of what was delivered; `max` -1: no limit, `expiresMs` 0: for ever. */
  readonly responses: { readonly max: number; readonly expiresMs: number } | undefined
}
