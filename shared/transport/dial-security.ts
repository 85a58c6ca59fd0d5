import type { TlsSettings } from './tls-settings.ts'

/** How a dialling side secures a connection. */
export interface DialSecurity {
  readonly settings: TlsSettings
  /** The name that the other side's certificate must have. */
  readonly serverName: string
}
