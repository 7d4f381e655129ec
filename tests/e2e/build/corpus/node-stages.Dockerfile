FROM node:20-alpine AS deps
WORKDIR /app
COPY package*.json ./
RUN npm ci

FROM deps AS build
COPY . .
RUN npm run build && npm prune --production

FROM node:20-alpine
RUN addgroup -g 1001 nodejs && adduser -D -u 1001 -G nodejs nextjs
WORKDIR /app
ENV NODE_ENV production
ENV PORT 3000
COPY --from=deps --chown=nextjs:nodejs /app/node_modules ./node_modules
COPY --from=build --chown=1001:1001 /app/dist ./dist
COPY --from=build /app/package.json .
USER nextjs
EXPOSE $PORT
CMD ["node", "dist/bundle.js"]
