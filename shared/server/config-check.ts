import type { CoreConfig } from '../config/index.ts'
import { importFaults } from '../imports/index.ts'
import { messageOf, PetioleError } from '../runtime/index.ts'
import { isLiteral, SubjectMappings } from '../subject/index.ts'
import { clusterNameOf } from './broker-settings.ts'

/**
 * What no schema can say of a configuration: whether its mappings, imports and exports hold together. The start,
 * a reload and the check of a file ask this one function, so that what is called valid does start. Throws
 * PETIOLE_MAPPINGS_INVALID, PETIOLE_EXPORTS_INVALID, PETIOLE_IMPORTS_INVALID, with nats-server's words.
 */
export function checkServerConfig(config: CoreConfig): void {
  const { accounts, operator } = config
  for (const { name, mappings, exports } of accounts) {
    try {
      new SubjectMappings(mappings, clusterNameOf(config))
    } catch (error) {
      const text = `accounts.${name}.mappings: ${messageOf(error)}`
      throw new PetioleError('PETIOLE_MAPPINGS_INVALID', text, { cause: error })
    }
    for (const { subject, latency } of exports) {
      if (latency === undefined || isLiteral(latency.subject)) continue
      const [shown, target] = [subject, latency.subject].map((one) => JSON.stringify(one))
      const text = `Error adding service latency sampling for ${shown} on subject ${target}: invalid publish subject`
      throw new PetioleError('PETIOLE_EXPORTS_INVALID', `accounts.${name}.exports: ${text}`)
    }
  }
  const [fault] = operator === undefined ? importFaults(accounts) : []
  if (fault === undefined) return
  const text = `accounts.${fault.account}.imports: ${fault.text}`
  throw new PetioleError('PETIOLE_IMPORTS_INVALID', text)
}
