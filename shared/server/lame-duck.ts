import type { ServerCore } from './server-core.ts'

/**
 * Leaves slowly: takes no more connections, tells everybody to go elsewhere, closes clients one by one over
 * `lame_duck_duration`, and stops when they are gone. What is in hand is finished as by `drain`.
 */
export async function leaveAsLameDuck(core: ServerCore): Promise<void> {
  const { config, log, broker } = core
  log.info({}, 'Entering lame duck mode, stop accepting new clients')
  await core.stopAccepting()
  const { lame_duck_grace_period: graceMs, lame_duck_duration: durationMs } = config
  const clients = broker.lameDuck({
    graceMs,
    durationMs,
    onClosing: () => log.info({}, 'Closing existing clients'),
  })
  const others = core.frontDoors.map((door) => door.leave?.({ graceMs, durationMs }))
  await Promise.all([clients, ...others])
  log.info({}, 'Initiating Shutdown...')
}
