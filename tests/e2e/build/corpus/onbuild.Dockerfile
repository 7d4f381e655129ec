FROM app:onbuild
RUN test -f /usr/src/app/package.json
EXPOSE 3000
