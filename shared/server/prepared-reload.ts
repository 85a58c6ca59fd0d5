import type { Accounts } from '../account/index.ts'
import type { CoreConfig } from '../config/index.ts'
import type { AccountEngines } from './account-engines.ts'
import { checkServerConfig } from './config-check.ts'
import type { FrontDoor } from './core.ts'
import type { ServerLinks } from './server-links.ts'
import type { ServerTls } from './server-tls.ts'

/** A configuration that can be taken: then all of it is, or none. */
export interface PreparedReload {
  /** Never rejects. What is prepared has changed nothing that anybody is served from. */
  commit(): Promise<void>
  cancel(): Promise<void>
}

/** What of a server reads files or asks others when its configuration changes. */
export interface ReloadedParts {
  readonly tls: ServerTls
  readonly links: ServerLinks
  readonly accounts: Accounts
  readonly engines: AccountEngines
  readonly frontDoors: readonly FrontDoor[]
  /** Takes what cannot fail. */
  readonly goOn: () => void
}

/** Rejects with what cannot be used, and everything is as it was. */
export async function prepareReload(
  config: CoreConfig,
  { tls, links, accounts, engines, frontDoors, goOn }: ReloadedParts,
): Promise<PreparedReload> {
  checkServerConfig(config)
  for (const door of frontDoors) door.judge?.(config)
  const certificates = tls.prepare(config)
  const remotes = links.prepare(config)
  const users = await accounts.prepare?.(config)
  try {
    const closeEngines = await engines.prepare(config)
    return {
      commit: async () => {
        certificates()
        remotes()
        if (users === undefined) await accounts.update(config)
        else await users.commit()
        goOn()
        // Nobody who may stay no longer waits for others that are asked.
        await users?.refresh?.()
      },
      cancel: async () => {
        users?.cancel()
        await closeEngines()
      },
    }
  } catch (error) {
    users?.cancel()
    throw error
  }
}
