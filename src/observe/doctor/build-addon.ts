/** The command that compiles the addon, where the package is installed and in a checkout. */
export const BUILD_ADDON = 'npm rebuild kvferry (in a checkout: npm run build:native)';
