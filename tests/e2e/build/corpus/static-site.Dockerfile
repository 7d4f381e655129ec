FROM nginx:alpine
RUN rm -rf /usr/share/nginx/html
COPY public /usr/share/nginx/html
COPY ./nginx.conf /etc/nginx/nginx.conf
RUN sed -i 's/80/8080/' /etc/nginx/nginx.conf
HEALTHCHECK CMD wget -q -O - http://localhost:8080/ || exit 1
