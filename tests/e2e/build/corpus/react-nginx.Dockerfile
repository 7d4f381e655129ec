FROM node:20-alpine as build
WORKDIR /usr/src/app
COPY package.json package-lock.json ./
RUN npm ci --silent
COPY src src
COPY public/ public/
RUN npm run build

FROM nginx:alpine
COPY --from=build /usr/src/app/dist /usr/share/nginx/html
COPY nginx.conf /etc/nginx/conf.d/default.conf
STOPSIGNAL SIGQUIT
EXPOSE 80 443
CMD ["nginx", "-g", "daemon off;"]
