# escape=`
FROM alpine:3
RUN echo first `
    && echo C:\path\ > /file
COPY app.py `
     /app/
ENV NAME=a` b OTHER=c\d
